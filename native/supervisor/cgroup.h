/* The container's cgroup (version 2), made and looked after by S: cgroup.c makes it and takes it away, freezing.c and the rest
 * of S use it. The container's processes are in a leaf of their own; S and A are not limited by it, frozen or killed with it. */
#ifndef CORACLE_CGROUP_H
#define CORACLE_CGROUP_H

#include "base/loop.h"
#include "units.h"

struct cgroup {
    struct units units;
    /** The container's; NULL without one. What was made for it, where that is not all. */
    char *path;
    int directory;
    /** cgroup.events, memory.events: their changes. */
    struct watch events, memory;
    /** What is asked of the freezer, until it is so. */
    bool freezing, freeze;
    /** How many were killed because memory ran out, before the last start; and whether somebody was since. */
    uint64_t kills;
    bool out_of_memory;
};

struct supervisor;

void cgroup_init(struct cgroup *cgroup);
/** Asks for it, with A in it as soon as it is there. */
int cgroup_begin(struct supervisor *supervisor, pid_t infra, struct failure *failure);
/** It is there, with its limits; S and A are beside the leaf. */
int cgroup_finish(struct supervisor *supervisor, pid_t infra, struct failure *failure);
/** Another first process comes: what happened before is not its. */
void cgroup_renew(struct supervisor *supervisor);
/** Looks once more for what has happened. */
void cgroup_look(struct supervisor *supervisor);
/** Stops or goes on with all that is in it; freezing_done tells when. 0, or an errno; ENOENT without a cgroup. */
int cgroup_freeze(struct supervisor *supervisor, bool freeze);
/** Kills all that is in it. */
void cgroup_kill(const struct supervisor *supervisor);
/** Takes it away. What is still in it goes with the scope. */
void cgroup_remove(struct supervisor *supervisor);

#endif
