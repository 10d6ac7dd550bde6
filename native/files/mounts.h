/* The plan's mounts: sources become detached mounts while the host is still there, and are attached after pivot_root. */
#ifndef CORACLE_MOUNTS_H
#define CORACLE_MOUNTS_H

#include "devices.h"
#include "plan/plan.h"
#include "root.h"

/** One detached mount per record of the plan, in the plan's order. */
struct mount_sources {
    int *mounts;
    bool *files;
    int *devices;
    int nodes[DEVICE_NODES];
    /** procfs while still detached: writes through it cannot be redirected by the image. -1 without. */
    int proc;
};

/** Opens the sources that the host has, with the caller's rights to its directories. */
int mounts_open_trees(const struct plan *plan, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure);
/** After mounts_open_trees: makes the others, as root of the container. Must precede the loss of the old root: afterwards the kernel refuses a new procfs. */
int mounts_open_new(const struct plan *plan, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure);
/** Attaches everything below `root`, the container's root after the pivot, and closes the sources. */
int mounts_attach(const struct plan *plan, struct mount_sources *sources, int root, struct failure *failure);
/** Read-only paths and masks. */
int mounts_restrict(const struct plan *plan, int root, struct failure *failure);
/** Detached: the tree of a bind, a stack of directories, or a file of the plan's data (trees.c). `*file`: it is no directory. */
int tree_open(const struct plan *plan, size_t index, const struct scratch *scratch, bool *file, struct failure *failure);
/** Mounts the stack of a `mount overlay` at `path`. trees.c. */
int stack_mount(const struct plan_mount *mount, const char *path, struct failure *failure);
/** Makes a directory of the scratch file system, which a container started anew finds already made. trees.c. */
int scratch_directory(const struct scratch *scratch, const char *name, size_t number, char **path, struct failure *failure);
/** The kernel's numbers of a mount's flags. */
unsigned mount_attributes(const struct plan_mount *mount);
/** Gives a detached tree the attributes of its mount; read-only not yet where it is still to be written. */
int mount_dress(int tree, const struct plan_mount *mount, bool still_written);
/** What may not be written once nothing of ours is to be put there. */
int mounts_seal(const struct plan *plan, int root, struct failure *failure);
/** An unattached tmpfs and the like: fsopen, the key/value options (NULL-terminated), fsmount. */
int mount_new(const char *type, unsigned attributes, const char *const *options);

#endif
