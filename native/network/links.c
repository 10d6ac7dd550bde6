#define _GNU_SOURCE
#include "links.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

static size_t address_size(const struct plan_address *address) {
    return address->family == AF_INET6 ? 16 : 4;
}

int link_index(int socket, const char *name) {
    union {
        struct nlmsghdr header;
        unsigned char bytes[NETLINK_ROOM];
    } answer;
    struct netlink_request request = {0};
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    netlink_begin(&request, RTM_GETLINK, 0, &body, sizeof body);
    netlink_put_text(&request, IFLA_IFNAME, name);
    ssize_t got = netlink_ask(socket, &request, answer.bytes, sizeof answer.bytes);
    if (got < 0)
        return -1;
    if (got < (ssize_t)NLMSG_LENGTH(sizeof body) || answer.header.nlmsg_type != RTM_NEWLINK) {
        errno = EBADMSG;
        return -1;
    }
    return ((const struct ifinfomsg *)NLMSG_DATA(&answer.header))->ifi_index;
}

int link_add_bridge(int socket, const char *name, const unsigned char mac[6], unsigned mtu) {
    struct netlink_request request = {0};
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_text(&request, IFLA_IFNAME, name);
    netlink_put_u32(&request, IFLA_MTU, mtu);
    netlink_put(&request, IFLA_ADDRESS, mac, 6);
    size_t info = netlink_open(&request, IFLA_LINKINFO);
    netlink_put_text(&request, IFLA_INFO_KIND, "bridge");
    netlink_close(&request, info);
    return netlink_send(socket, &request, 1);
}

static void put_peer(struct netlink_request *request, const struct link_end *there, unsigned mtu) {
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    size_t peer = request->size;
    netlink_put(request, VETH_INFO_PEER | NLA_F_NESTED, &body, sizeof body);
    netlink_put_text(request, IFLA_IFNAME, there->name);
    netlink_put(request, IFLA_ADDRESS, there->mac, 6);
    netlink_put_u32(request, IFLA_MTU, mtu);
    netlink_put_u32(request, IFLA_NET_NS_FD, (uint32_t)there->netns);
    netlink_close(request, peer);
}

int link_add_pair(int socket, const char *here, int bridge, const struct link_end *there, unsigned mtu) {
    struct netlink_request request = {0};
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    netlink_begin(&request, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put_text(&request, IFLA_IFNAME, here);
    netlink_put_u32(&request, IFLA_MTU, mtu);
    netlink_put_u32(&request, IFLA_MASTER, (uint32_t)bridge);
    size_t info = netlink_open(&request, IFLA_LINKINFO);
    netlink_put_text(&request, IFLA_INFO_KIND, "veth");
    size_t data = netlink_open(&request, IFLA_INFO_DATA);
    put_peer(&request, there, mtu);
    netlink_close(&request, data);
    netlink_close(&request, info);
    return netlink_send(socket, &request, 1);
}

int link_up(int socket, int index) {
    struct netlink_request request = {0};
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC, .ifi_index = index, .ifi_flags = IFF_UP, .ifi_change = IFF_UP};
    netlink_begin(&request, RTM_NEWLINK, NLM_F_ACK, &body, sizeof body);
    return netlink_send(socket, &request, 1);
}

int link_delete(int socket, const char *name) {
    struct netlink_request request = {0};
    const struct ifinfomsg body = {.ifi_family = AF_UNSPEC};
    netlink_begin(&request, RTM_DELLINK, NLM_F_ACK, &body, sizeof body);
    netlink_put_text(&request, IFLA_IFNAME, name);
    return netlink_send(socket, &request, 1);
}

int link_add_address(int socket, int index, const struct plan_address *address) {
    struct netlink_request request = {0};
    /* Addresses are allotted: nobody need be asked whether they are in use, and nothing waits for the answer. */
    const struct ifaddrmsg body = {.ifa_family = (unsigned char)address->family, .ifa_prefixlen = (unsigned char)address->bits, .ifa_flags = IFA_F_NODAD, .ifa_index = (unsigned)index};
    netlink_begin(&request, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    netlink_put(&request, IFA_LOCAL, address->bytes, address_size(address));
    netlink_put(&request, IFA_ADDRESS, address->bytes, address_size(address));
    return netlink_send(socket, &request, 1);
}

int link_add_route(int socket, int index, const struct plan_route *route) {
    struct netlink_request request = {0};
    const struct plan_address *to = &route->to, *gateway = &route->gateway;
    const struct rtmsg body = {.rtm_family = (unsigned char)gateway->family, .rtm_dst_len = (unsigned char)to->bits, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_STATIC, .rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST};
    netlink_begin(&request, RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK, &body, sizeof body);
    if (to->bits > 0)
        netlink_put(&request, RTA_DST, to->bytes, address_size(gateway));
    netlink_put(&request, RTA_GATEWAY, gateway->bytes, address_size(gateway));
    netlink_put_u32(&request, RTA_OIF, (uint32_t)index);
    if (route->metric > 0)
        netlink_put_u32(&request, RTA_PRIORITY, route->metric);
    return netlink_send(socket, &request, 1);
}
