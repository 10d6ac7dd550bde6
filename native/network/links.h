/* Bridges, pairs of virtual interfaces, addresses and routes, by rtnetlink. */
#ifndef CORACLE_LINKS_H
#define CORACLE_LINKS_H

#include "plan/plan.h"

/** The index of an interface, or -1 with errno. */
int link_index(int socket, const char *name);
int link_add_bridge(int socket, const char *name, const unsigned char mac[6], unsigned mtu);
/** One end of a pair that is made: in the namespace `netns`, or here and in `bridge`. */
struct link_end {
    const char *name;
    int netns;
    const unsigned char *mac;
};
/** A pair: `here` gets the name and goes into the bridge of that index; `there` is an interface of another namespace. */
int link_add_pair(int socket, const char *here, int bridge, const struct link_end *there, unsigned mtu);
int link_up(int socket, int index);
int link_delete(int socket, const char *name);
int link_add_address(int socket, int index, const struct plan_address *address);
/** Adds a route. */
int link_add_route(int socket, int index, const struct plan_route *route);

#endif
