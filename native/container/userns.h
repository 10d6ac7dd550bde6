/* A process in a new user namespace with its ids mapped. */
#ifndef CORACLE_USERNS_H
#define CORACLE_USERNS_H

#include "plan/plan.h"

/** A child that waits for its id maps. */
struct userns_child {
    pid_t pid;
    int pidfd;
    int channel;
    pid_t mappers[2];
    int complaints;
    bool was_dumpable;
};

/**
 * Clones like fork(2) into a new user namespace plus `flags` (CLONE_NEWNS, CLONE_NEWPID ...).
 * Returns 1 in the parent with the id mapping under way, and 0 in the child once the parent called
 * userns_finish: uid and gid 0 of the namespace, no supplementary groups where that can be done, not dumpable, killed with its parent.
 * A child whose parent dies before that exits. -1: nothing was started.
 */
int userns_begin(const struct id_map *map, uint64_t flags, struct userns_child *child, struct failure *failure);
/** Waits for the maps, checks them against what the kernel holds, lets the child go. On -1 the child is dead and reaped. */
int userns_finish(const struct id_map *map, struct userns_child *child, struct failure *failure);
/** Both in one: 0 in the child, its pid in the parent (with `*pidfd`, may be NULL), -1. */
pid_t userns_clone(const struct id_map *map, uint64_t flags, int *pidfd, struct failure *failure);

/** Writes the maps of process `pid`, which has just made a user namespace that we are outside of. */
int userns_map(const struct id_map *map, pid_t pid, struct failure *failure);

/** Writes the maps of the process whose directory of /proc that is, unless newuidmap did, and checks what the kernel holds. */
int userns_write(const struct id_map *map, int directory, struct failure *failure);

#endif
