/* The holder of user-defined networks, H: uid 0 of a user namespace of its own and pid 1 of a pid namespace. It holds the network
 * namespace with the bridges, runs its uplink (pasta or slirp4netns), and makes sockets in the namespace for who asks. */
#ifndef CORACLE_HOLDER_H
#define CORACLE_HOLDER_H

#include "plan/plan.h"

/** A running holder, as the process that configures the networks sees it. */
struct holder {
    pid_t pid;
    /** Messages: MESSAGE_SPAWN there asks for the uplink; MESSAGE_NETWORK, WARNING, FAILURE come back. */
    int channel;
    /** Where sockets are asked for. */
    int factory;
};

/** Starts one; it lives as long as we do. */
int holder_start(const struct plan *plan, struct holder *holder, struct failure *failure);
/** A socket of the holder's network namespace, or -1 with errno. */
int holder_socket(const struct holder *holder, int domain, int type, int protocol);
/** Lets the namespace forward packets of a family; -1 with errno. */
int holder_forward(const struct holder *holder, int family);

#endif
