/* Stacks of directories as one: the options of overlay and fuse-overlayfs, and the kernel's mount. */
#ifndef CORACLE_OVERLAY_H
#define CORACLE_OVERLAY_H

#include "plan/plan.h"

struct overlay {
    /** Topmost first, at least one. */
    const struct strings *layers;
    /** Both NULL where nothing can be written. */
    const char *upper, *work;
    /** Without syncs. */
    bool is_volatile;
};

/** The text of the options; layers are named by descriptor number: no length limit on paths, nothing to escape. */
struct overlay_options {
    char *text;
    size_t room;
    /** What stands before each number, and how the directories are opened. */
    const char *prefix;
    int flags;
};

/** Opens the directories, which stay open, and appends `lowerdir=`, `upperdir=` and `workdir=`. */
int overlay_append(struct overlay_options *options, const struct overlay *overlay, struct failure *failure);
/** Mounts the kernel's overlay at `target`; changes the working directory to /. */
int overlay_mount(const struct overlay *overlay, const char *target, struct failure *failure);
/** Binds a copy of the tree `source` at `target`, with these attributes. */
int overlay_bind(const char *source, const char *target, uint64_t attributes, struct failure *failure);

#endif
