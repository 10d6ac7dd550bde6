/* What S has to do with the holder of user-defined networks: it finds or starts it, has its container put on its networks, and does so
 * again when the holder is gone. */
#ifndef CORACLE_MEMBERSHIP_H
#define CORACLE_MEMBERSHIP_H

#include "base/loop.h"
#include "base/util.h"

struct supervisor;

/** As of the plan's `net-hold`: where the holder listens, its plan, what the container wants of it. NULL where there is none. */
struct membership_places {
    const char *directory, *holder_plan, *plan;
};

struct membership {
    struct membership_places places;
    /** What they are in, where a client gave them. */
    char *given;
    /** A was asked for the network namespace. */
    bool asked;
    struct watch link;
    /** The container's network namespace and a netlink socket in it. */
    int netns, netlink;
    /** When the next try is; monotonic ms, 0: none. */
    int64_t again;
    unsigned failures;
};

/** The container has its network namespace; takes the descriptors over. -1 and an errno where it cannot be had. */
void membership_begin(struct supervisor *supervisor, int netns, int netlink, int error);
/**
 * The container's plan of networks has changed. 0, or an errno; those who wait are answered later. A container that is on none yet is put on
 * those that `places` (three texts, each with its NUL) lead to.
 */
int membership_change(struct supervisor *supervisor, const char *places, size_t size);
void membership_due(struct supervisor *supervisor, int64_t now);
void membership_end(struct supervisor *supervisor);

#endif
