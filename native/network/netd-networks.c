#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "firewall.h"
#include "links.h"
#include "netd.h"

static struct network *find_network(const struct netd *netd, const char *id) {
    for (struct network *network = netd->networks; network; network = network->next)
        if (strcmp(network->id, id) == 0)
            return network;
    return NULL;
}

/** Locally administered, and the same for the same network, so that nobody's table of neighbours is wrong after a restart. */
static void bridge_mac(const char *id, unsigned char mac[6]) {
    mac[0] = 0x02;
    for (size_t i = 1; i < 6; i++)
        mac[i] = (unsigned char)(strtoul((const char[]){id[2 * i - 2], id[2 * i - 1], 0}, NULL, 16));
}

static void free_network(struct netd *netd, struct network *network) {
    names_stop(netd, network);
    link_delete(netd->netlink, network->bridge);
    for (struct network **at = &netd->networks; *at; at = &(*at)->next)
        if (*at == network) {
            *at = network->next;
            break;
        }
    free(network);
}

static void put_network(struct netd *netd, struct network *network) {
    if (--network->users == 0)
        free_network(netd, network);
}

static int set_up_bridge(struct netd *netd, struct network *network, const struct plan_attachment *wanted, struct failure *failure) {
    unsigned char mac[6];
    bridge_mac(network->id, mac);
    if (link_add_bridge(netd->netlink, network->bridge, mac, wanted->mtu) < 0 || (network->index = link_index(netd->netlink, network->bridge)) < 0)
        return fail(failure, "network", errno, "bridge of network %s", network->id);
    for (size_t i = 0; i < 2; i++)
        if (network->gateway[i].family && link_add_address(netd->netlink, network->index, &network->gateway[i]) < 0)
            return fail(failure, "network", errno, "gateway of network %s", network->id);
    if (link_up(netd->netlink, network->index) < 0)
        return fail(failure, "network", errno, "bridge of network %s", network->id);
    return wanted->dns ? names_serve(netd, network, failure) : 0;
}

/** One more user of the network, which is made when it has none. */
static struct network *get_network(struct netd *netd, const struct plan_attachment *wanted, struct failure *failure) {
    struct network *network = find_network(netd, wanted->network);
    if (network) {
        network->users++;
        return network;
    }
    network = calloc(1, sizeof *network);
    if (!network) {
        fail(failure, "network", ENOMEM, "network %s", wanted->network);
        return NULL;
    }
    *network = (struct network){.next = netd->networks, .internal = wanted->internal, .users = 1, .gateway = {wanted->gateway[0], wanted->gateway[1]}};
    for (size_t i = 0; i < SERVERS; i++)
        network->servers[i] = (struct dns_server){.watch = {.fd = -1}, .netd = netd, .network = network};
    memcpy(network->id, wanted->network, sizeof network->id);
    snprintf(network->bridge, sizeof network->bridge, "%s%s", wanted->internal ? FIREWALL_CLOSED_BRIDGE : FIREWALL_OPEN_BRIDGE, network->id);
    netd->networks = network;
    if (set_up_bridge(netd, network, wanted, failure) == 0)
        return network;
    free_network(netd, network);
    return NULL;
}

static int add_route(const struct member *member, int index, const struct plan_route *route) {
    return link_add_route(member->netlink, index, route) < 0 && errno != EEXIST ? -1 : 0;
}

static int add_routes(const struct member *member, const struct plan_attachment *wanted, int index) {
    for (size_t i = 0; i < 2; i++)
        if (wanted->route && wanted->gateway[i].family && add_route(member, index, &(struct plan_route){.gateway = wanted->gateway[i]}) < 0)
            return -1;
    for (size_t i = 0; i < wanted->routes.count; i++)
        if (add_route(member, index, &wanted->routes.items[i]) < 0)
            return -1;
    return 0;
}

/** The container's end: everything is asked of a socket in its own namespace. */
static int configure_inside(const struct member *member, const struct plan_attachment *wanted) {
    int index = link_index(member->netlink, wanted->interface);
    if (index < 0)
        return -1;
    for (size_t i = 0; i < 2; i++)
        if (wanted->own[i].family && link_add_address(member->netlink, index, &wanted->own[i]) < 0)
            return -1;
    return link_up(member->netlink, index) < 0 ? -1 : add_routes(member, wanted, index);
}

static int join(struct member *member, const struct plan_attachment *wanted, struct bond *bond, struct failure *failure) {
    struct netd *netd = member->netd;
    struct network *network = get_network(netd, wanted, failure);
    if (!network)
        return -1;
    const struct link_end there = {wanted->interface, member->netns, wanted->mac};
    snprintf(bond->pair, sizeof bond->pair, "cv%x", ++netd->pairs);
    int result = link_add_pair(netd->netlink, bond->pair, network->index, &there, wanted->mtu);
    /* The end of a pair whose other end was in the namespace of a holder that was killed, which the kernel takes its time to remove. */
    if (result < 0 && errno == EEXIST && link_delete(member->netlink, wanted->interface) == 0)
        result = link_add_pair(netd->netlink, bond->pair, network->index, &there, wanted->mtu);
    if (result < 0)
        fail(failure, "network", errno, "interface %s on network %s", wanted->interface, network->id);
    else if ((result = configure_inside(member, wanted)) < 0) {
        fail(failure, "network", errno, "configure %s on network %s", wanted->interface, network->id);
        link_delete(netd->netlink, bond->pair);
    }
    bond->network = network;
    if (result < 0) {
        bond->network = NULL;
        put_network(netd, network);
    }
    return result;
}

static void part(struct netd *netd, struct bond *bond) {
    if (!bond->network)
        return;
    link_delete(netd->netlink, bond->pair);
    put_network(netd, bond->network);
    bond->network = NULL;
}

static bool same_address(const struct plan_address *one, const struct plan_address *other) {
    return one->family == other->family && one->bits == other->bits && memcmp(one->bytes, other->bytes, sizeof one->bytes) == 0;
}

static bool same(const struct plan_attachment *one, const struct plan_attachment *other) {
    return strcmp(one->network, other->network) == 0 && strcmp(one->interface, other->interface) == 0 && memcmp(one->mac, other->mac, 6) == 0 &&
           same_address(&one->own[0], &other->own[0]) && same_address(&one->own[1], &other->own[1]);
}

/** Moves the bonds that stay; then the others are parted, before their interfaces' names are used again. */
static void keep_bonds(struct member *member, const struct plan *wanted, struct bond *bonds) {
    for (size_t i = 0; i < wanted->attachments.count; i++)
        for (size_t k = 0; k < member->plan.attachments.count; k++)
            if (member->bonds[k].network && same(&wanted->attachments.items[i], &member->plan.attachments.items[k])) {
                bonds[i] = member->bonds[k];
                member->bonds[k].network = NULL;
                break;
            }
}

int networks_apply(struct member *member, struct plan *wanted, struct failure *failure) {
    struct bond *bonds = calloc(wanted->attachments.count + 1, sizeof *bonds);
    int result = 0;
    if (!bonds)
        return fail(failure, "network", ENOMEM, "networks");
    keep_bonds(member, wanted, bonds);
    networks_leave(member);
    member->plan = *wanted;
    *wanted = (struct plan){0};
    member->bonds = bonds;
    for (size_t i = 0; result == 0 && i < member->plan.attachments.count; i++) {
        const struct plan_attachment *attachment = &member->plan.attachments.items[i];
        if (!bonds[i].network)
            result = join(member, attachment, &bonds[i], failure);
        else
            add_routes(member, attachment, link_index(member->netlink, attachment->interface));
    }
    return result;
}

void networks_leave(struct member *member) {
    for (size_t i = 0; i < member->plan.attachments.count; i++)
        part(member->netd, &member->bonds[i]);
    free(member->bonds);
    member->bonds = NULL;
    plan_free(&member->plan);
}

struct member *networks_member(const struct netd *netd, const struct network *network, const unsigned char *address, size_t size) {
    for (struct member *member = netd->members; member; member = member->next)
        for (size_t i = 0; i < member->plan.attachments.count; i++) {
            const struct plan_address *own = &member->plan.attachments.items[i].own[size == 4 ? 0 : 1];
            if (member->bonds[i].network == network && own->family && memcmp(own->bytes, address, size) == 0)
                return member;
        }
    return NULL;
}

bool networks_reach_out(const struct member *member) {
    for (size_t i = 0; i < member->plan.attachments.count; i++)
        if (member->bonds[i].network && !member->bonds[i].network->internal)
            return true;
    return false;
}
