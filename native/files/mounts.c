#define _GNU_SOURCE
#include "mounts.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/syscalls.h"
#include "container/identity.h"
#include "copyup.h"
#include "ownership.h"
#include "paths.h"

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

int mount_dress(int tree, const struct plan_mount *mount, bool still_written) {
    unsigned attributes = mount_attributes(mount);
    bool apart = mount->read_only_top || still_written;
    if (sys_mount_setattr(tree, AT_RECURSIVE, apart ? attributes & ~(unsigned)MOUNT_ATTR_RDONLY : attributes) < 0)
        return -1;
    return apart && !still_written ? sys_mount_setattr(tree, 0, attributes) : 0;
}

/** What a shared namespace has instead of a new file system: the host's, bound. */
static int open_host(const char *path, unsigned attributes) {
    auto_close int tree = sys_open_tree(AT_FDCWD, path, OPEN_TREE_CLONE | AT_RECURSIVE);
    return tree < 0 || sys_mount_change(tree, AT_RECURSIVE, attributes, MS_PRIVATE) < 0 ? -1 : take_fd(&tree);
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

static bool is_mapped(const struct id_ranges *ranges, const char *text) {
    uint64_t id;
    if (!parse_number(text, UINT32_MAX, &id))
        return false;
    for (size_t i = 0; i < ranges->count; i++) {
        const struct id_range *range = &ranges->items[i];
        if (id >= range->container && id - range->container < range->size)
            return true;
    }
    return false;
}

/** Where the id of the terminals' group is not mapped, they are root's. */
static int open_terminals(const struct plan *plan, const struct plan_mount *mount) {
    const char *uid = is_mapped(&plan->ids.uid, mount->uid) ? mount->uid : "", *gid = is_mapped(&plan->ids.gid, mount->gid) ? mount->gid : "";
    const char *options[] = {"ptmxmode", "0666", "mode", *mount->mode ? mount->mode : "0620", "uid", uid, "gid", gid, "max", mount->max, NULL};
    return mount_new("devpts", mount_attributes(mount), options);
}

static int open_memory(const struct plan_mount *mount) {
    const char *tmpfs[] = {"mode", mount->mode, "size", mount->size, "uid", mount->uid, "gid", mount->gid, "nr_inodes", mount->inodes, NULL};
    const char *ramfs[] = {"mode", mount->mode, NULL};
    unsigned attributes = mount_attributes(mount);
    if (mount->copy_up || mount->chown)
        attributes &= ~(unsigned)MOUNT_ATTR_RDONLY;
    return mount->kind == MOUNT_RAMFS ? mount_new("ramfs", attributes, ramfs) : mount_new("tmpfs", attributes, tmpfs);
}

static int open_special(const struct plan *plan, const struct plan_mount *mount, struct failure *failure) {
    unsigned attributes = mount_attributes(mount);
    const char *proc[] = {"hidepid", mount->hidepid, "subset", mount->subset, NULL};
    switch (mount->kind) {
    case MOUNT_PROC:
        return plan->ns_host[PLAN_NS_PID] ? open_host("/proc", attributes) : mount_new("proc", attributes, proc);
    case MOUNT_SYSFS:
        return plan->ns_host[PLAN_NS_NET] ? open_host("/sys", attributes) : open_or_bind(plan, "sysfs", "/sys", attributes);
    case MOUNT_CGROUP2:
        return plan->ns_host[PLAN_NS_CGROUP] ? open_host(host_cgroup(), attributes | MOUNT_ATTR_RDONLY) : open_or_bind(plan, "cgroup2", host_cgroup(), attributes | MOUNT_ATTR_RDONLY);
    case MOUNT_DEV:
        return devices_mount(attributes, mount->size, failure);
    case MOUNT_DEVPTS:
        return open_terminals(plan, mount);
    case MOUNT_MQUEUE:
        /* A host without the file system has queues only by system call: an empty directory is all there is to show. */
        if (plan->ns_host[PLAN_NS_IPC])
            return access("/dev/mqueue", F_OK) == 0 ? open_host("/dev/mqueue", attributes) : mount_new("tmpfs", attributes | MOUNT_ATTR_RDONLY, NULL);
        return mount_new("mqueue", attributes, NULL);
    case MOUNT_TMPFS:
    case MOUNT_RAMFS:
    case MOUNT_BIND:
    case MOUNT_OVERLAY:
    case MOUNT_DATA:
    case MOUNT_NEIGHBOUR:
        break;
    }
    return open_memory(mount);
}

static bool is_tree(const struct plan_mount *mount) {
    return mount->kind == MOUNT_BIND || mount->kind == MOUNT_OVERLAY || mount->kind == MOUNT_DATA || mount->kind == MOUNT_NEIGHBOUR;
}

/** It lies somewhere already. */
static bool is_found(const struct plan_mount *mount) {
    return is_tree(mount) && mount->kind != MOUNT_DATA;
}

static bool is_memory(const struct plan_mount *mount) {
    return mount->kind == MOUNT_TMPFS || mount->kind == MOUNT_RAMFS;
}

static int open_source(const struct plan *plan, size_t index, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure) {
    const struct plan_mount *mount = &plan->mounts.items[index];
    int fd = is_tree(mount) ? tree_open(plan, index, scratch, &sources->files[index], failure) : open_special(plan, mount, failure);
    if (fd < 0)
        return failure->stage ? -1 : fail(failure, "mount", errno, "%s", mount->destination);
    /* One that shows processes alone has no settings. */
    if (mount->kind == MOUNT_PROC && (sources->proc = *mount->subset ? mount_new("proc", 0, NULL) : fd) < 0)
        return fail(failure, "mount", errno, "procfs for settings");
    sources->mounts[index] = fd;
    return mount->kind == MOUNT_DEV ? devices_open(sources->nodes, failure) : 0;
}

int mounts_open_trees(const struct plan *plan, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure) {
    size_t mounts = plan->mounts.count, devices = plan->devices.count;
    sources->mounts = calloc(mounts + 1, sizeof(int));
    sources->files = calloc(mounts + 1, sizeof(bool));
    sources->devices = calloc(devices + 1, sizeof(int));
    sources->proc = -1;
    if (!sources->mounts || !sources->files || !sources->devices)
        return fail(failure, "mount", ENOMEM, "sources");
    for (size_t i = 0; i < mounts; i++)
        if (is_found(&plan->mounts.items[i]) && open_source(plan, i, scratch, sources, failure) < 0)
            return -1;
    for (size_t i = 0; i < devices; i++)
        if ((sources->devices[i] = device_tree(plan->devices.items[i].source, failure)) < 0)
            return -1;
    return 0;
}

int mounts_open_new(const struct plan *plan, const struct scratch *scratch, struct mount_sources *sources, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++)
        if (!is_found(&plan->mounts.items[i]) && open_source(plan, i, scratch, sources, failure) < 0)
            return -1;
    /* The trees that are to see what the host mounts are open; nothing else is to see it. */
    if (plan->propagates && mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "mount", errno, "make / private");
    return 0;
}

/** What the kernel provides may not be redirected by links of the image; what the user asks for resolves as in the container. */
static enum path_rule rule_of(const struct plan_mount *mount) {
    static const char *const guarded[] = {"/proc/", "/sys/", "/dev/"};
    bool below = false;
    for (size_t i = 0; i < N_ELEMENTS(guarded); i++)
        below = below || strncmp(mount->destination, guarded[i], strlen(guarded[i])) == 0;
    return below || !(is_tree(mount) || is_memory(mount)) ? PATH_STRICT : PATH_IN_ROOT;
}

/** The user of the process, as the image knows it. Mounts over its passwd file come later. */
static int resolve_owner(const struct plan *plan, int root, struct identity *owner, struct failure *failure) {
    static const struct strings none = {0};
    return identity_resolve(root, plan->user, &none, &plan->ids, owner, failure);
}

/**
 * Fills a volume at its first use. Where the image has nothing it is its user's, so that this one can write to it.
 */
static int fill_volume(const struct plan_mount *mount, int covered, const struct identity *owner, int source) {
    int filled = copy_into_volume(covered, source, mount->keep_owner);
    if (filled > 0 && owner && !mount->keep_owner)
        return fchownat(source, "", owner->uid, owner->gid, AT_EMPTY_PATH);
    return filled < 0 ? -1 : 0;
}

/** A tmpfs over nothing has nothing to take, so it keeps its own mode, and a mode that was asked for outlives that of the directory. */
static int fill_memory(const struct plan_mount *mount, int covered, bool made, int source) {
    unsigned mode;
    if (!made && copy_tree(covered, source) < 0)
        return -1;
    if (parse_octal(mount->mode, 07777, &mode) && fchmodat(source, ".", mode, 0) < 0)
        return -1;
    return 0;
}

/** What a mount holds before the container sees it. `made`: the image had nothing at its place. */
static int fill(const struct plan *plan, const struct plan_mount *mount, int root, int covered, bool made, int source, struct failure *failure) {
    struct identity owner;
    bool volume = mount->copy_up && !is_memory(mount);
    if (!mount->copy_up && !mount->chown)
        return 0;
    if ((mount->chown || (volume && made)) && resolve_owner(plan, root, &owner, failure) < 0)
        return -1;
    if (mount->copy_up && (volume ? fill_volume(mount, covered, made ? &owner : NULL, source) : fill_memory(mount, covered, made, source)) < 0)
        return fail(failure, "mount", errno, "copy %s", mount->destination);
    if (mount->chown && give_tree(source, owner.uid, owner.gid, failure) < 0)
        return -1;
    return mount_dress(source, mount, false) < 0 ? fail(failure, "mount", errno, "mount_setattr %s", mount->destination) : 0;
}

static int attach_one(const struct plan *plan, const struct mount_sources *sources, size_t index, int root, struct failure *failure) {
    const struct plan_mount *mount = &plan->mounts.items[index];
    int source = sources->mounts[index];
    bool as_file = mount->create == CREATE_AS_SOURCE ? sources->files[index] : mount->create == CREATE_FILE;
    auto_close int found = path_open(root, mount->destination, rule_of(mount));
    auto_close int target = path_create(root, mount->destination, rule_of(mount), as_file ? PATH_FILE : PATH_DIRECTORY);
    if (target < 0)
        return fail(failure, "mount", errno, "%s", mount->destination);
    if (mount->kind != MOUNT_PROC && path_is_proc(target))
        return fail(failure, "mount", EPERM, "%s is on procfs", mount->destination);
    if (fill(plan, mount, root, target, found < 0, source, failure) < 0)
        return -1;
    if (sys_move_mount(source, target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "mount", errno, "move_mount %s", mount->destination);
    return mount->kind == MOUNT_DEV ? devices_attach(root, mount->destination, sources->nodes, failure) : 0;
}

int mounts_attach(const struct plan *plan, struct mount_sources *sources, int root, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++) {
        if (attach_one(plan, sources, i, root, failure) < 0)
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

int mounts_seal(const struct plan *plan, int root, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++) {
        const struct plan_mount *mount = &plan->mounts.items[i];
        if (mount->kind != MOUNT_DEV || !mount->read_only)
            continue;
        auto_close int dev = path_open(root, mount->destination, PATH_STRICT);
        if (dev < 0 || sys_mount_setattr(dev, 0, MOUNT_ATTR_RDONLY) < 0)
            return fail(failure, "mount", errno, "read-only %s", mount->destination);
    }
    return 0;
}
