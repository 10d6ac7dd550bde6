#define _GNU_SOURCE
#include "mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "copyup.h"
#include "paths.h"
#include "syscalls.h"

int mount_new(const char *type, unsigned attributes, const char *const *options) {
    auto_close int context = sys_fsopen(type);
    if (context < 0)
        return -1;
    /* What /proc/mounts tells in its first column; `none` otherwise, which some programs pass over. */
    if (sys_fsconfig(context, FSCONFIG_SET_STRING, "source", type) < 0)
        return -1;
    for (; options && *options; options += 2)
        if (*options[1] && sys_fsconfig(context, FSCONFIG_SET_STRING, options[0], options[1]) < 0)
            return -1;
    if (sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
        return -1;
    return sys_fsmount(context, attributes);
}

unsigned mount_attributes(const struct plan_mount *mount) {
    return (mount->read_only ? (unsigned)MOUNT_ATTR_RDONLY : 0) | (mount->nosuid ? (unsigned)MOUNT_ATTR_NOSUID : 0) |
           (mount->nodev ? (unsigned)MOUNT_ATTR_NODEV : 0) | (mount->noexec ? (unsigned)MOUNT_ATTR_NOEXEC : 0) | (mount->noatime ? (unsigned)MOUNT_ATTR_NOATIME : 0) |
           (mount->nodiratime ? (unsigned)MOUNT_ATTR_NODIRATIME : 0) | (mount->strictatime ? (unsigned)MOUNT_ATTR_STRICTATIME : 0);
}

/** What a shared namespace has instead of a new file system: the host's, bound. */
static int open_host(const char *path, unsigned attributes) {
    auto_close int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);
    return tree < 0 || sys_mount_setattr(tree, AT_RECURSIVE, attributes) < 0 ? -1 : take_fd(&tree);
}

/** A namespace that a bundle joins may belong to another user namespace: then its file system can only be shown as the host has it. */
static int open_or_bind(const struct plan *plan, const char *type, const char *path, unsigned attributes) {
    int fd = mount_new(type, attributes, NULL);
    return fd < 0 && errno == EPERM && plan->kind == PLAN_CREATE ? open_host(path, attributes) : fd;
}

/** The version 2 hierarchy; on a hybrid host it lies beside those of version 1, which stay outside. */
static const char *host_cgroup(void) {
    struct statfs status;
    return statfs("/sys/fs/cgroup", &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC ? "/sys/fs/cgroup" : "/sys/fs/cgroup/unified";
}

static bool gid_is_mapped(const struct plan *plan, const char *text) {
    uint64_t gid;
    if (!parse_number(text, UINT32_MAX, &gid))
        return false;
    for (size_t i = 0; i < plan->ids.gid.count; i++) {
        const struct id_range *range = &plan->ids.gid.items[i];
        if (gid >= range->container && gid - range->container < range->size)
            return true;
    }
    return false;
}

static int open_special(const struct plan *plan, const struct plan_mount *mount, struct failure *failure) {
    unsigned attributes = mount_attributes(mount);
    const char *pts[] = {"ptmxmode", "0666", "mode", *mount->mode ? mount->mode : "0620", "gid", gid_is_mapped(plan, mount->gid) ? mount->gid : "", NULL};
    const char *tmpfs[] = {"mode", mount->mode, "size", mount->size, "uid", mount->uid, "gid", mount->gid, "nr_inodes", mount->inodes, NULL};
    switch (mount->kind) {
    case MOUNT_PROC:
        return plan->ns_host[PLAN_NS_PID] ? open_host("/proc", attributes) : mount_new("proc", attributes, NULL);
    case MOUNT_SYSFS:
        return plan->ns_host[PLAN_NS_NET] ? open_host("/sys", attributes) : open_or_bind(plan, "sysfs", "/sys", attributes);
    case MOUNT_CGROUP2:
        return plan->ns_host[PLAN_NS_CGROUP] ? open_host(host_cgroup(), attributes | MOUNT_ATTR_RDONLY) : open_or_bind(plan, "cgroup2", host_cgroup(), attributes | MOUNT_ATTR_RDONLY);
    case MOUNT_DEV:
        return devices_mount(attributes, mount->size, failure);
    case MOUNT_DEVPTS:
        return mount_new("devpts", attributes, pts);
    case MOUNT_MQUEUE:
        /* A host without the file system has queues only by system call: an empty directory is all there is to show. */
        if (plan->ns_host[PLAN_NS_IPC])
            return access("/dev/mqueue", F_OK) == 0 ? open_host("/dev/mqueue", attributes) : mount_new("tmpfs", attributes | MOUNT_ATTR_RDONLY, NULL);
        return mount_new("mqueue", attributes, NULL);
    case MOUNT_TMPFS:
    case MOUNT_BIND:
    case MOUNT_OVERLAY:
    case MOUNT_DATA:
        break;
    }
    return mount_new("tmpfs", mount->copy_up ? attributes & ~(unsigned)MOUNT_ATTR_RDONLY : attributes, tmpfs);
}

static bool is_tree(const struct plan_mount *mount) {
    return mount->kind == MOUNT_BIND || mount->kind == MOUNT_OVERLAY || mount->kind == MOUNT_DATA;
}

static int open_source(const struct plan *plan, size_t index, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure) {
    const struct plan_mount *mount = &plan->mounts.items[index];
    int fd = is_tree(mount) ? tree_open(plan, index, scratch, &sources->files[index], failure) : open_special(plan, mount, failure);
    if (fd < 0)
        return failure->stage ? -1 : fail(failure, "mount", errno, "%s", mount->destination);
    if (mount->kind == MOUNT_PROC)
        sources->proc = fd;
    sources->mounts[index] = fd;
    return mount->kind == MOUNT_DEV ? devices_open(sources->nodes, failure) : 0;
}

int mounts_open(const struct plan *plan, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure) {
    size_t mounts = plan->mounts.count, devices = plan->devices.count;
    sources->mounts = calloc(mounts + 1, sizeof(int));
    sources->files = calloc(mounts + 1, sizeof(bool));
    sources->devices = calloc(devices + 1, sizeof(int));
    sources->proc = -1;
    if (!sources->mounts || !sources->files || !sources->devices)
        return fail(failure, "mount", ENOMEM, "sources");
    for (size_t i = 0; i < mounts; i++)
        if (open_source(plan, i, scratch, sources, failure) < 0)
            return -1;
    for (size_t i = 0; i < devices; i++)
        if ((sources->devices[i] = device_tree(plan->devices.items[i].source, failure)) < 0)
            return -1;
    return 0;
}

/** What the kernel provides may not be redirected by links of the image; what the user asks for resolves as in the container. */
static enum path_rule rule_of(const struct plan_mount *mount) {
    static const char *const guarded[] = {"/proc/", "/sys/", "/dev/"};
    bool below = false;
    for (size_t i = 0; i < N_ELEMENTS(guarded); i++)
        below = below || strncmp(mount->destination, guarded[i], strlen(guarded[i])) == 0;
    return below || !(is_tree(mount) || mount->kind == MOUNT_TMPFS) ? PATH_STRICT : PATH_IN_ROOT;
}

/**
 * Fills a new mount from the directory it will cover. A tmpfs over nothing has nothing to take, so it keeps its own mode, and a
 * mode that was asked for outlives that of the directory; a volume takes the owner and mode of a mount point just made too.
 */
static int fill(const struct plan_mount *mount, int covered, bool made, int source) {
    unsigned mode;
    if (!mount->copy_up)
        return 0;
    if (!(made && mount->kind == MOUNT_TMPFS) && copy_tree(covered, source) < 0)
        return -1;
    if (parse_octal(mount->mode, 07777, &mode) && fchmodat(source, ".", mode, 0) < 0)
        return -1;
    return sys_mount_setattr(source, 0, mount_attributes(mount));
}

static int attach_one(const struct plan_mount *mount, const struct mount_sources *sources, size_t index, int root, struct failure *failure) {
    int source = sources->mounts[index];
    bool as_file = mount->create == CREATE_AS_SOURCE ? sources->files[index] : mount->create == CREATE_FILE;
    auto_close int found = path_open(root, mount->destination, rule_of(mount));
    auto_close int target = path_create(root, mount->destination, rule_of(mount), as_file ? PATH_FILE : PATH_DIRECTORY);
    if (target < 0)
        return fail(failure, "mount", errno, "%s", mount->destination);
    if (mount->kind != MOUNT_PROC && path_is_proc(target))
        return fail(failure, "mount", EPERM, "%s is on procfs", mount->destination);
    if (fill(mount, target, found < 0, source) < 0)
        return fail(failure, "mount", errno, "copy %s", mount->destination);
    if (sys_move_mount(source, target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "mount", errno, "move_mount %s", mount->destination);
    return mount->kind == MOUNT_DEV ? devices_attach(root, mount->destination, sources->nodes, failure) : 0;
}

int mounts_attach(const struct plan *plan, struct mount_sources *sources, int root, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++) {
        if (attach_one(&plan->mounts.items[i], sources, i, root, failure) < 0)
            return -1;
        close(sources->mounts[i]);
    }
    for (size_t i = 0; i < plan->devices.count; i++) {
        auto_close int target = path_create(root, plan->devices.items[i].destination, PATH_STRICT, PATH_FILE);
        if (target < 0 || sys_move_mount(sources->devices[i], target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
            return fail(failure, "device", errno, "%s", plan->devices.items[i].destination);
        close(sources->devices[i]);
    }
    return 0;
}
