/*
 * Published ports show their clients' own addresses. What goes on inside is sent from the client's address, which is not of this network
 * namespace: the socket is transparent and carries a mark, what it connects to by TCP inherits the mark (tcp_fwmark_accept), and marked
 * packets are routed to the loopback, where our socket is, instead of out. By UDP a service answers from a socket that nothing is inherited
 * by: for each client a rule says that what is sent from that port to that client goes there, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fib_rules.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "container/kernel.h"
#include "forward-loop.h"
#include "netlink.h"

/** "co", and the tables as people may see them: of marked packets, and of what services answer by UDP. */
enum { SOURCE_MARK = 0x636f, SOURCE_TABLE = 0x636f, ANSWER_TABLE = 0x6370 };

/** Where the address and its size are. */
static const void *address_of(const union address *address, size_t *size) {
    bool six = address->any.sa_family == AF_INET6;
    *size = six ? 16 : 4;
    return six ? (const void *)&address->v6.sin6_addr : (const void *)&address->v4.sin_addr;
}

static in_port_t port_of(const union address *address) {
    return address->any.sa_family == AF_INET6 ? address->v6.sin6_port : address->v4.sin_port;
}

static int there_already(int result) {
    return result < 0 && errno != EEXIST ? -1 : 0;
}

static int add_rule(int socket, unsigned char family) {
    struct netlink_request request = {0};
    const struct fib_rule_hdr body = {.family = family, .action = FR_ACT_TO_TBL};
    netlink_begin(&request, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_u32(&request, FRA_FWMARK, SOURCE_MARK);
    netlink_put_u32(&request, FRA_TABLE, SOURCE_TABLE);
    return there_already(netlink_send(socket, &request, 1));
}

/** Everything is here; `from` (may be NULL) is the address of those who answer without one of their own. */
static int add_route(int socket, unsigned char family, uint32_t table, const union address *from) {
    struct netlink_request request = {0};
    const struct rtmsg body = {.rtm_family = family, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL};
    size_t size = 0;
    const void *address = from ? address_of(from, &size) : NULL;
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_u32(&request, RTA_TABLE, table);
    netlink_put_u32(&request, RTA_OIF, 1 /* the loopback */);
    if (address)
        netlink_put(&request, RTA_PREFSRC, address, size);
    return there_already(netlink_send(socket, &request, 1));
}

bool source_is_here(int netlink, const union address *address) {
    struct netlink_request request = {0};
    union {
        struct nlmsghdr header;
        unsigned char bytes[NETLINK_ROOM];
    } answer;
    size_t size;
    const void *bytes = address_of(address, &size);
    const struct rtmsg body = {.rtm_family = (unsigned char)address->any.sa_family, .rtm_dst_len = (unsigned char)(size * 8)};
    if (netlink < 0)
        return true;
    netlink_begin(&request, RTM_GETROUTE, 0, &body, sizeof body);
    netlink_put(&request, RTA_DST, bytes, size);
    ssize_t got = netlink_ask(netlink, &request, answer.bytes, sizeof answer.bytes);
    const struct rtmsg *route = NLMSG_DATA(&answer.header);
    return got >= (ssize_t)NLMSG_LENGTH(sizeof *route) && answer.header.nlmsg_type == RTM_NEWROUTE && route->rtm_type == RTN_LOCAL;
}

bool source_prepare(int netlink) {
    bool four = write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/tcp_fwmark_accept", "1") == 0 && write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/fwmark_reflect", "1") == 0 &&
                add_rule(netlink, AF_INET) == 0 && add_route(netlink, AF_INET, SOURCE_TABLE, NULL) == 0;
    struct failure ignored = {0};
    /* Where it is off, nobody is found by IPv6 anyhow. Its routes want a loopback that is up, which we may be too early for. */
    if (four && kernel_loopback_up(&ignored) == 0 && write_file_at(AT_FDCWD, "/proc/sys/net/ipv6/fwmark_reflect", "1") == 0 && add_rule(netlink, AF_INET6) == 0)
        add_route(netlink, AF_INET6, SOURCE_TABLE, NULL);
    return four;
}

/** From the client's port by UDP to it and no other. */
static int change_return(int netlink, uint16_t message, uint16_t flags, const union address *client, const union address *target) {
    struct netlink_request request = {0};
    size_t size;
    const void *address = address_of(client, &size);
    const struct fib_rule_hdr body = {.family = (unsigned char)client->any.sa_family, .action = FR_ACT_TO_TBL, .dst_len = (unsigned char)(size * 8)};
    const struct fib_rule_port_range from = {ntohs(port_of(target)), ntohs(port_of(target))}, to = {ntohs(port_of(client)), ntohs(port_of(client))};
    netlink_begin(&request, message, (uint16_t)(NLM_F_ACK | flags), &body, sizeof body);
    netlink_put(&request, FRA_DST, address, size);
    netlink_put_u8(&request, FRA_IP_PROTO, IPPROTO_UDP);
    netlink_put(&request, FRA_SPORT_RANGE, &from, sizeof from);
    netlink_put(&request, FRA_DPORT_RANGE, &to, sizeof to);
    netlink_put_u32(&request, FRA_TABLE, ANSWER_TABLE);
    return netlink_send(netlink, &request, 1);
}

bool source_return(int netlink, const union address *client, const union address *target) {
    return add_route(netlink, (unsigned char)target->any.sa_family, ANSWER_TABLE, target) == 0 &&
           there_already(change_return(netlink, RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL, client, target)) == 0;
}

void source_return_end(int netlink, const union address *client, const union address *target) {
    change_return(netlink, RTM_DELRULE, 0, client, target);
}

/** A client of this host's loopback must not look like a process of the container's own. */
static bool can_be_shown(const union address *client, const union address *target) {
    size_t size;
    if (client->any.sa_family != target->any.sa_family)
        return false;
    const void *theirs = address_of(client, &size), *own = address_of(target, &size);
    if (memcmp(theirs, own, size) == 0)
        return false;
    if (size == 4)
        return ntohl(client->v4.sin_addr.s_addr) >> 24 != 127;
    const struct in6_addr *six = &client->v6.sin6_addr;
    return !IN6_IS_ADDR_LOOPBACK(six) && !IN6_IS_ADDR_V4MAPPED(six) && !IN6_IS_ADDR_LINKLOCAL(six);
}

bool source_assume(int fd, const union address *client, const union address *target) {
    const int yes = 1, mark = SOURCE_MARK;
    bool six = client->any.sa_family == AF_INET6;
    if (!can_be_shown(client, target))
        return false;
    return setsockopt(fd, SOL_SOCKET, SO_MARK, &mark, sizeof mark) == 0 &&
           setsockopt(fd, six ? IPPROTO_IPV6 : IPPROTO_IP, six ? IPV6_TRANSPARENT : IP_TRANSPARENT, &yes, sizeof yes) == 0 &&
           setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) == 0 && bind(fd, &client->any, six ? sizeof client->v6 : sizeof client->v4) == 0;
}
