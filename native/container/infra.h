/* A: uid 0 of the container's user namespace and pid 1 of a pid namespace around it. Holds the mounts and the network
 * namespace, runs fuse-overlayfs, the network helper and the port forwarder, and makes I, again for each restart. */
#ifndef CORACLE_INFRA_H
#define CORACLE_INFRA_H

#include "plan/plan.h"

struct infra_arguments {
    const struct plan *plan;
    int channel;
    /** The published ports' listeners, in the plan's order; the port forwarder's. */
    const int *listeners;
    size_t listener_count;
    /** Namespaces of other containers by enum plan_ns, which have this user namespace; -1: none. */
    const int *joined;
    /** The mount namespace of the one whose ipc namespace is used; -1: none. */
    int neighbour_mounts;
    /** The user namespace of those containers, where it is one inside of A's; -1: none. */
    int inner;
};

/** Serves S until it is gone or kills us. */
_Noreturn void infra_main(const struct infra_arguments *arguments);

#endif
