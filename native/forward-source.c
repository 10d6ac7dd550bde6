/*
 * Published TCP ports show their clients' own addresses. The connection inside is made from the client's address, which is not of this
 * network namespace: the socket is transparent and carries a mark, what it connects to inherits the mark (tcp_fwmark_accept), and marked
 * packets are routed to the loopback, where our socket is, instead of out.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "forward-loop.h"
#include "netlink.h"

/** "co", and the table of the same number as people may see it. */
enum { SOURCE_MARK = 0x636f, SOURCE_TABLE = 0x636f };

static int add_rule(int socket) {
    struct netlink_request request = {0};
    const struct fib_rule_hdr body = {.family = AF_INET, .action = FR_ACT_TO_TBL};
    netlink_begin(&request, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_u32(&request, FRA_FWMARK, SOURCE_MARK);
    netlink_put_u32(&request, FRA_TABLE, SOURCE_TABLE);
    return netlink_send(socket, &request, 1) < 0 && errno != EEXIST ? -1 : 0;
}

static int add_route(int socket) {
    struct netlink_request request = {0};
    const struct rtmsg body = {.rtm_family = AF_INET, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL};
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_u32(&request, RTA_TABLE, SOURCE_TABLE);
    netlink_put_u32(&request, RTA_OIF, 1 /* the loopback */);
    return netlink_send(socket, &request, 1) < 0 && errno != EEXIST ? -1 : 0;
}

bool source_prepare(void) {
    auto_close int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    return fd >= 0 && write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/tcp_fwmark_accept", "1") == 0 && write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/fwmark_reflect", "1") == 0 &&
           add_rule(fd) == 0 && add_route(fd) == 0;
}

/** A client of this host's loopback must not look like a process of the container's own. */
static bool can_be_shown(const union address *client, const union address *target) {
    if (client->any.sa_family != AF_INET || target->any.sa_family != AF_INET)
        return false;
    return ntohl(client->v4.sin_addr.s_addr) >> 24 != 127 && client->v4.sin_addr.s_addr != target->v4.sin_addr.s_addr;
}

bool source_assume(int fd, const union address *client, const union address *target) {
    const int yes = 1, mark = SOURCE_MARK;
    if (!can_be_shown(client, target))
        return false;
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 && setsockopt(fd, IPPROTO_IP, IP_TRANSPARENT, &yes, sizeof yes) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 && bind(fd, &client->any, sizeof client->v4) == 0;
}
