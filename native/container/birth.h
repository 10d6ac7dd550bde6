/* A while it waits to be let go: in a user namespace of its own, or in that of the container whose namespaces are used. */
#ifndef CORACLE_BIRTH_H
#define CORACLE_BIRTH_H

#include "neighbour.h"
#include "plan/plan.h"
#include "userns.h"

struct birth {
    /** The namespaces of other containers that are used, -1 for the others. */
    int joined[PLAN_NS_COUNT];
    /** The mount namespace of the container whose ipc namespace is used; -1: none. */
    int mounts;
    bool shares;
    /** The user namespace of those containers, where it is one inside of A's; -1 else. */
    int inner;
    struct userns_child own;
    struct neighbour neighbour;
};

/** As userns_begin. */
int birth_begin(const struct plan *plan, struct birth *birth, struct failure *failure);
/** As userns_finish; the descriptors of the namespaces are the child's alone after it. */
int birth_finish(const struct plan *plan, struct birth *birth, struct failure *failure);
pid_t birth_pid(const struct birth *birth);
int birth_pidfd(const struct birth *birth);

#endif
