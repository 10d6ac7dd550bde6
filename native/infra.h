/* A: uid 0 of the container's user namespace and pid 1 of a pid namespace around it. Holds the mounts and the network
 * namespace, runs fuse-overlayfs, the network helper and the port forwarder, and makes I, again for each restart. */
#ifndef CORACLE_INFRA_H
#define CORACLE_INFRA_H

#include "plan.h"

struct infra_arguments {
    const struct plan *plan;
    int channel;
    /** The published ports' listeners, in the plan's order; the port forwarder's. */
    const int *listeners;
    size_t listener_count;
    /** The network namespace of the container whose user namespace this is; -1: the plan's own. */
    int netns;
};

/** Serves S until it is gone or kills us. */
_Noreturn void infra_main(const struct infra_arguments *arguments);

#endif
