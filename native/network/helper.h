/* The network helper (pasta or slirp4netns) and the network namespace it serves. */
#ifndef CORACLE_HELPER_H
#define CORACLE_HELPER_H

#include "plan/plan.h"

struct helper {
    pid_t pid;
    bool slirp, ready;
    /** slirp4netns: its ready byte; pasta: what it says on standard error. -1 when there is nothing to read. */
    int ready_fd;
    int64_t revive_at;
    char said[256];
};

/** Makes a network namespace, owned by `user_namespace` unless that is -1, that stays while A lives, and shows it as the file `path`. Returns its descriptor; `*netlink` (may be NULL) gets
 *  a socket by which others may configure it, who then takes no routes from other containers. */
int netns_create(const char *path, int user_namespace, int *netlink, struct failure *failure);
/** Such a socket in a network namespace that is there; -1 with errno. */
int netns_netlink(int netns);
/** Starts the plan's helper, if any. `netns` replaces @NETNS@. */
int helper_start(struct helper *helper, const struct plan *plan, const char *netns, struct failure *failure);
/** A child of A that A does not know ended: the helper, or what it left in the background. */
void helper_child_ended(struct helper *helper, pid_t pid, int status, int channel);
/** `ready_fd` is readable or closed. */
void helper_readable(struct helper *helper, int channel);
/** Milliseconds until helper_revive has something to do, -1: nothing. */
int helper_delay(const struct helper *helper);
/** Starts a helper again that died under a running container. */
void helper_revive(struct helper *helper, const struct plan *plan, const char *netns, int channel);

#endif
