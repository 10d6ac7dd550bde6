#define _GNU_SOURCE
#include "overlay.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include "base/syscalls.h"

static int append_directory(struct overlay_options *options, const char *key, const char *path, struct failure *failure) {
    int fd = open(path, O_DIRECTORY | options->flags);
    size_t length = strlen(options->text), room = options->room - length;
    if (fd < 0)
        return fail(failure, "overlay", errno, "%s", path);
    if ((size_t)snprintf(options->text + length, room, "%s%s%d", key, options->prefix, fd) >= room)
        return fail(failure, "overlay", E2BIG, "too many layers");
    return 0;
}

int overlay_append(struct overlay_options *options, const struct overlay *overlay, struct failure *failure) {
    for (size_t i = 0; i < overlay->layers->count; i++)
        if (append_directory(options, i == 0 ? "lowerdir=" : ":", overlay->layers->items[i], failure) < 0)
            return -1;
    if (!overlay->upper)
        return 0;
    if (append_directory(options, ",upperdir=", overlay->upper, failure) < 0)
        return -1;
    return append_directory(options, ",workdir=", overlay->work, failure);
}

int overlay_bind(const char *source, const char *target, uint64_t attributes, struct failure *failure) {
    auto_close int tree = sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | AT_RECURSIVE);
    if (tree < 0)
        return fail(failure, "root", errno, "open_tree %s", source);
    if (attributes && sys_mount_setattr(tree, AT_RECURSIVE, attributes) < 0)
        return fail(failure, "root", errno, "mount_setattr %s", source);
    if (sys_move_mount(tree, AT_FDCWD, target, 0) < 0)
        return fail(failure, "root", errno, "move_mount %s", target);
    return 0;
}

int overlay_mount(const struct overlay *overlay, const char *target, struct failure *failure) {
    char text[4096] = "userxattr,";
    struct overlay_options options = {.text = text, .room = sizeof text, .prefix = "", .flags = O_PATH | O_CLOEXEC};
    if (overlay->is_volatile && overlay->upper)
        strcat(text, "volatile,");
    /* The kernel wants two lower directories where there is no upper one. */
    if (!overlay->upper && overlay->layers->count == 1)
        return overlay_bind(overlay->layers->items[0], target, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, failure);
    if (overlay_append(&options, overlay, failure) < 0)
        return -1;
    if (chdir("/proc/self/fd") < 0)
        return fail(failure, "overlay", errno, "/proc/self/fd");
    int result = mount("overlay", target, "overlay", overlay->upper ? 0 : MS_RDONLY, text);
    if (result < 0)
        fail(failure, "overlay", errno, "mount %.200s", text);
    return chdir("/") < 0 ? fail(failure, "overlay", errno, "/") : result;
}
