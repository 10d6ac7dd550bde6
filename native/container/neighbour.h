/* A process in the user namespace of another container: whoever uses its network needs its rights there. */
#ifndef CORACLE_NEIGHBOUR_H
#define CORACLE_NEIGHBOUR_H

#include "base/util.h"

/** A child in somebody else's user namespace that waits to be let go. */
struct neighbour {
    pid_t pid;
    int pidfd;
    int channel;
};

/**
 * Clones like fork(2) into `user_namespace` plus `flags` (CLONE_NEWNS, CLONE_NEWPID ...); the process is our own child.
 * Returns 1 in the parent, and 0 in the child once the parent called neighbour_finish: uid and gid 0 of that namespace,
 * not dumpable, killed with its parent. -1: nothing was started.
 */
int neighbour_begin(int user_namespace, uint64_t flags, struct neighbour *child, struct failure *failure);
/** Lets the child go. On -1 it is dead and reaped. */
int neighbour_finish(struct neighbour *child, struct failure *failure);

#endif
