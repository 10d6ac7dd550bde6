#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/syscalls.h"
#include "mounts.h"
#include "paths.h"

/** 1: `path` is there and opened; 0: it is not. Links are refused: a mask must hide the thing itself. */
static int open_present(int root, const char *path, int *fd, struct failure *failure) {
    *fd = path_open(root, path, PATH_STRICT);
    if (*fd >= 0)
        return 1;
    return errno == ENOENT || errno == ENOTDIR || errno == EACCES ? 0 : fail(failure, "mask", errno, "%s", path);
}

static int make_read_only(int root, const char *path, struct failure *failure) {
    auto_close int fd = -1;
    if (open_present(root, path, &fd, failure) <= 0)
        return fd < 0 && failure->stage ? -1 : 0;
    auto_close int tree = sys_open_tree(fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0 || sys_mount_setattr(tree, AT_RECURSIVE, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC) < 0 ||
        sys_move_mount(tree, fd, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "readonly-path", errno, "%s", path);
    return 0;
}

/** The container's /dev/null, verified: what lies there instead would be shown in place of the masked file. */
static int open_null(int root, struct failure *failure) {
    struct stat status;
    auto_close int fd = path_open(root, "dev/null", PATH_STRICT);
    if (fd < 0 || fstat(fd, &status) < 0)
        return fail(failure, "mask", errno, "/dev/null");
    if (!S_ISCHR(status.st_mode) || status.st_rdev != makedev(1, 3))
        return fail(failure, "mask", ENODEV, "/dev/null is another device");
    return take_fd(&fd);
}

/** All masked directories show one empty read-only tmpfs: the first use attaches it, the others clone it from there. */
static int directory_cover(int *shared) {
    static const char *const options[] = {"nr_inodes", "2", "size", "4k", "mode", "0555", NULL};
    if (*shared >= 0)
        return sys_open_tree(*shared, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    int tmpfs = mount_new("tmpfs", MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, options);
    *shared = tmpfs < 0 ? -1 : fcntl(tmpfs, F_DUPFD_CLOEXEC, 3);
    return tmpfs;
}

static int mask(int root, const char *path, int *shared, struct failure *failure) {
    struct stat status;
    auto_close int fd = -1;
    if (open_present(root, path, &fd, failure) <= 0)
        return fd < 0 && failure->stage ? -1 : 0;
    if (fstat(fd, &status) < 0)
        return fail(failure, "mask", errno, "%s", path);
    auto_close int null = S_ISDIR(status.st_mode) ? -1 : open_null(root, failure);
    if (!S_ISDIR(status.st_mode) && null < 0)
        return -1;
    auto_close int cover = S_ISDIR(status.st_mode) ? directory_cover(shared) : sys_open_tree(null, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    if (cover < 0 || sys_move_mount(cover, fd, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "mask", errno, "%s", path);
    return 0;
}

int mounts_restrict(const struct plan *plan, int root, struct failure *failure) {
    auto_close int shared = -1;
    for (size_t i = 0; i < plan->read_only_paths.count; i++)
        if (make_read_only(root, plan->read_only_paths.items[i], failure) < 0)
            return -1;
    for (size_t i = 0; i < plan->masks.count; i++)
        if (mask(root, plan->masks.items[i], &shared, failure) < 0)
            return -1;
    return 0;
}
