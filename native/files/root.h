/* The container's root file system, mounted in A's mount namespace by one of three drivers. */
#ifndef CORACLE_ROOT_H
#define CORACLE_ROOT_H

#include <sys/stat.h>

#include "overlay.h"
#include "plan/plan.h"

/** Where A keeps its mounts: a tmpfs of its own over `<dir>/mnt`. */
struct scratch {
    char *directory, *root, *netns;
};

/** Makes mount propagation private and mounts the scratch tmpfs. */
int scratch_mount(const struct plan *plan, struct scratch *scratch, struct failure *failure);
/** Mounts the root at `scratch->root`. `*server` becomes the pid of fuse-overlayfs, 0 for the other drivers. */
int root_mount(const struct plan *plan, const struct scratch *scratch, pid_t *server, struct failure *failure);
/** What a fuse-overlayfs serves, with more options or NULL. */
struct fuse_stack {
    const char *program, *options, *target;
    const struct overlay *overlay;
};

/** Starts one, and waits until it answers at its target. */
int root_fuse(const struct fuse_stack *stack, pid_t *server, struct failure *failure);
/** Waits until `root` shows another device than `before`: then fuse-overlayfs, a child of ours, answers there. */
int root_await_fuse(pid_t server, const char *root, dev_t before, struct failure *failure);

#endif
