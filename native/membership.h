/* What S has to do with the holder of user-defined networks: it finds or starts it, has its container put on its networks, and does so
 * again when the holder is gone. */
#ifndef CORACLE_MEMBERSHIP_H
#define CORACLE_MEMBERSHIP_H

#include "loop.h"
#include "util.h"

struct supervisor;

struct membership {
    struct watch link;
    /** The container's network namespace and a netlink socket in it. */
    int netns, netlink;
    /** When the next try is; monotonic ms, 0: none. */
    int64_t again;
    unsigned failures;
};

/** The container has its network namespace; takes the descriptors over. */
void membership_begin(struct supervisor *supervisor, int netns, int netlink);
/** The container's plan of networks has changed. 0, or an errno; those who wait are answered later. */
int membership_change(struct supervisor *supervisor);
void membership_due(struct supervisor *supervisor, int64_t now);
void membership_end(struct supervisor *supervisor);

#endif
