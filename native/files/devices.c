#define _GNU_SOURCE
#include "devices.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/syscalls.h"
#include "mounts.h"
#include "paths.h"

static const struct {
    const char *name;
    unsigned major, minor;
} nodes_of_dev[DEVICE_NODES] = {
    {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0},
};

static int fill(int dev) {
    static const struct {
        const char *target, *name;
    } links[] = {
        {"/proc/self/fd", "fd"},         {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
        {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},         {"/proc/kcore", "core"},
    };
    static const char *const directories[] = {"pts", "shm", "mqueue"};
    for (size_t i = 0; i < DEVICE_NODES; i++) {
        auto_close int file = openat(dev, nodes_of_dev[i].name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0666);
        if (file < 0)
            return -1;
    }
    for (size_t i = 0; i < N_ELEMENTS(links); i++)
        if (symlinkat(links[i].target, dev, links[i].name) < 0)
            return -1;
    for (size_t i = 0; i < N_ELEMENTS(directories); i++)
        if (mkdirat(dev, directories[i], 0755) < 0)
            return -1;
    return 0;
}

int devices_mount(unsigned attributes, const char *size, struct failure *failure) {
    /* Not the default 1777: in a sticky directory writing to another user's device with O_CREAT is refused. */
    const char *options[] = {"mode", "0755", "size", *size ? size : "64m", NULL};
    auto_close int dev = mount_new("tmpfs", attributes & ~(unsigned)(MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY), options);
    if (dev < 0 || fill(dev) < 0)
        return fail(failure, "mount", errno, "/dev");
    return take_fd(&dev);
}

int device_tree(const char *source, struct failure *failure) {
    struct stat status;
    auto_close int fd = open(source, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) < 0)
        return fail(failure, "device", errno, "%s", source);
    if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode))
        return fail(failure, "device", ENODEV, "%s is no device", source);
    auto_close int tree = sys_open_tree(fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    if (tree < 0 || sys_mount_setattr(tree, 0, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC) < 0)
        return fail(failure, "device", errno, "%s", source);
    return take_fd(&tree);
}

int devices_open(int nodes[DEVICE_NODES], struct failure *failure) {
    for (size_t i = 0; i < DEVICE_NODES; i++) {
        char path[32];
        struct stat status;
        snprintf(path, sizeof path, "/dev/%s", nodes_of_dev[i].name);
        if ((nodes[i] = device_tree(path, failure)) < 0)
            return -1;
        if (fstat(nodes[i], &status) < 0 || status.st_rdev != makedev(nodes_of_dev[i].major, nodes_of_dev[i].minor))
            return fail(failure, "device", ENODEV, "%s is another device", path);
    }
    return 0;
}

int devices_attach(int root, const char *destination, const int nodes[DEVICE_NODES], struct failure *failure) {
    auto_close int dev = path_open(root, destination, PATH_STRICT);
    if (dev < 0)
        return fail(failure, "device", errno, "%s", destination);
    for (size_t i = 0; i < DEVICE_NODES; i++) {
        auto_close int target = path_open(dev, nodes_of_dev[i].name, PATH_STRICT);
        if (target < 0 || sys_move_mount(nodes[i], target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
            return fail(failure, "device", errno, "%s/%s", destination, nodes_of_dev[i].name);
        close(nodes[i]);
    }
    return 0;
}
