/* Stacks of directories that A mounts, where I could not: for a user namespace inside of A's, and where fuse-overlayfs serves them. */
#ifndef CORACLE_STACKS_H
#define CORACLE_STACKS_H

#include "plan/plan.h"
#include "root.h"

struct stacks {
    /** By the plan's mounts; 0 where none serves. */
    pid_t *servers;
};

/** Whether A mounts them. */
static inline bool stacks_are_of_infra(const struct plan *plan) {
    return plan_is_inner(plan) || plan->root == ROOT_FUSE;
}

/** Mounts each `mount overlay` at its directory of the scratch file system. */
int stacks_mount(const struct plan *plan, const struct scratch *scratch, struct stacks *stacks, struct failure *failure);
/** Whether a child that ended was a server. */
bool stacks_lost(const struct plan *plan, struct stacks *stacks, pid_t pid);

#endif
