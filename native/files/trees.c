/* Mounts made of what lies elsewhere: host directories, stacks of them, and bytes given beside the plan. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "mounts.h"
#include "overlay.h"
#include "ownership.h"
#include "paths.h"
#include "stacks.h"

/** Descriptor of the part of `source` that is mounted: what the place holds decides nothing outside of it (S17). */
static int open_inside(int source, const struct plan_mount *mount, struct failure *failure) {
    int inside = path_open(source, mount->inside, PATH_IN_ROOT);
    if (inside >= 0 && !path_is_proc(inside))
        return inside;
    if (inside >= 0)
        close(inside);
    return fail(failure, "mount", inside >= 0 ? EPERM : errno, "%s of the source of %s", mount->inside, mount->destination);
}

/** What a tree shows of mounts made later: of the host's only those that a mount of the plan asks for. */
static int set_propagation(int tree, const struct plan_mount *mount) {
    unsigned propagation = mount->propagation ? mount->propagation : mount->slave ? 0 : MS_PRIVATE;
    return propagation ? sys_mount_change(tree, AT_RECURSIVE, 0, propagation) : 0;
}

/** A copy of the tree at `source`. Recursive where it can be: in a user namespace a copy that would uncover locked mounts is refused. */
static int clone_tree(int source, const struct plan_mount *mount, bool *file, struct failure *failure) {
    struct stat status;
    auto_close int part = mount->inside ? open_inside(source, mount, failure) : -1;
    if (mount->inside && part < 0)
        return -1;
    int place = mount->inside ? part : source;
    if (fstat(place, &status) < 0)
        return fail(failure, "mount", errno, "%s", mount->source);
    *file = !S_ISDIR(status.st_mode);
    auto_close int tree = sys_open_tree(place, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | (*file || mount->flat ? 0 : AT_RECURSIVE));
    if (tree < 0 && errno == EINVAL && mount->flat)
        return fail(failure, "mount", EPERM, "%s has other mounts below it, which the host may have covered for a reason: it cannot be bound without them", mount->source);
    if (tree < 0)
        return fail(failure, "mount", errno, "open_tree %s", mount->source);
    if (mount->label && label_tree(tree, mount->label, failure) < 0)
        return -1;
    if (set_propagation(tree, mount) < 0 || mount_dress(tree, mount, mount->chown) < 0)
        return fail(failure, "mount", errno, "mount_setattr %s", mount->source);
    return take_fd(&tree);
}

static int open_bind(const struct plan_mount *mount, bool *file, struct failure *failure) {
    auto_close int source = sys_openat2(AT_FDCWD, mount->source, O_PATH | (mount->nofollow_source ? O_NOFOLLOW : 0), mount->nofollow_source ? RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS : 0);
    return source < 0 ? fail(failure, "mount", errno, "%s", mount->source) : clone_tree(source, mount, file, failure);
}

int scratch_directory(const struct scratch *scratch, const char *name, size_t number, char **path, struct failure *failure) {
    if (asprintf(path, "%s/%s%zu", scratch->directory, name, number) < 0)
        return fail(failure, "mount", ENOMEM, "%s", name);
    return mkdir(*path, 0700) < 0 && errno != EEXIST ? fail(failure, "mount", errno, "%s", *path) : 0;
}

int stack_mount(const struct plan_mount *mount, const char *path, struct failure *failure) {
    const struct overlay overlay = {.layers = &mount->layers, .upper = mount->upper, .work = mount->work, .is_volatile = !mount->durable};
    if (mount->layers.count == 0)
        return fail(failure, "mount", EINVAL, "no layers at %s", mount->destination);
    return overlay_mount(&overlay, path, failure);
}

static uint32_t id_of(const char *text) {
    uint64_t id = 0;
    return parse_number(text, UINT32_MAX, &id) ? (uint32_t)id : 0;
}

/** A file in memory with these bytes and no name anywhere but in the container. */
static int write_data(int directory, const struct plan *plan, const struct plan_mount *mount) {
    unsigned mode = 0400;
    if (*mount->mode && !parse_octal(mount->mode, 07777, &mode)) {
        errno = EINVAL;
        return -1;
    }
    auto_close int file = openat(directory, "data", O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (file < 0 || write_full(file, plan->data + mount->data.offset, mount->data.size) < 0)
        return -1;
    return fchown(file, id_of(mount->uid), id_of(mount->gid)) < 0 || fchmod(file, mode) < 0 ? -1 : 0;
}

static int open_data(const struct plan *plan, const struct plan_mount *entry, const char *path, bool *file, struct failure *failure) {
    char options[64];
    snprintf(options, sizeof options, "mode=0700,size=%llu", (unsigned long long)entry->data.size + 65536);
    if (mount("coracle", path, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, options) < 0)
        return fail(failure, "mount", errno, "tmpfs for %s", entry->destination);
    auto_close int directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0 || write_data(directory, plan, entry) < 0)
        return fail(failure, "mount", errno, "data of %s", entry->destination);
    auto_close int source = openat(directory, "data", O_PATH | O_NOFOLLOW | O_CLOEXEC);
    return source < 0 ? fail(failure, "mount", errno, "data of %s", entry->destination) : clone_tree(source, entry, file, failure);
}

/** What is mounted there. */
static int open_mounted(const struct plan_mount *mount, const char *path, bool *file, struct failure *failure) {
    auto_close int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return root < 0 ? fail(failure, "mount", errno, "%s", path) : clone_tree(root, mount, file, failure);
}

int tree_open(const struct plan *plan, size_t index, const struct scratch *scratch, bool *file, struct failure *failure) {
    const struct plan_mount *entry = &plan->mounts.items[index];
    auto_free char *path = NULL;
    if (entry->kind == MOUNT_BIND)
        return open_bind(entry, file, failure);
    if (scratch_directory(scratch, "tree", index, &path, failure) < 0)
        return -1;
    if (entry->kind == MOUNT_DATA)
        return open_data(plan, entry, path, file, failure);
    /* Others are there already: A has mounted them. */
    if (entry->kind == MOUNT_OVERLAY && !stacks_are_of_infra(plan) && stack_mount(entry, path, failure) < 0)
        return -1;
    return open_mounted(entry, path, file, failure);
}
