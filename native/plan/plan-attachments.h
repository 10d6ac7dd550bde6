/* The part of a plan of kind network: which user-defined networks a container is on, and how. */
#ifndef CORACLE_PLAN_ATTACHMENTS_H
#define CORACLE_PLAN_ATTACHMENTS_H

#include "base/util.h"

/** `items` is NULL or ends with a NULL pointer, so it serves as argv. */
struct strings {
    char **items;
    size_t count;
};

/** `family` is 0 where there is none. */
struct plan_address {
    int family;
    unsigned char bytes[16];
    unsigned bits;
};

/** A DNS server. */
struct plan_resolver {
    int family;
    unsigned char address[16];
    uint16_t port;
};

struct plan_resolvers {
    struct plan_resolver *items;
    size_t count;
};

struct plan_route {
    struct plan_address to, gateway;
    unsigned metric;
};

/** A user-defined network that a container is on: both of the network and of the container's place on it. */
struct plan_attachment {
    const char *network, *interface;
    bool internal, dns, route;
    unsigned mtu;
    unsigned char mac[6];
    /** IPv4, IPv6. */
    struct plan_address own[2], gateway[2];
    /** The container's names on it, and who is asked for names that are of no container. */
    struct strings names;
    struct plan_resolvers resolvers;
    /** Beside the default ones of `route`. */
    struct {
        struct plan_route *items;
        size_t count;
    } routes;
};

#endif
