/* Handles, whiteouts, attributes, removal and renaming. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"
#include "base/syscalls.h"

static int take_handle(struct agent *agent, struct request *request, struct handle **handle) {
    *handle = handle_at(agent, take_u32(request));
    int result = take_path(request, request->path);
    return result < 0 ? result : *handle ? 0 : -EBADF;
}

static void answer_number(struct agent *agent, uint32_t number) {
    reply_begin(agent, REPLY_OK);
    put_u32(&agent->out, number);
    reply_end(agent);
}

static int make_directories(int root, char *path, bool parents) {
    for (char *slash = parents ? strchr(path, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        int made = slash == path ? 0 : mkdirat(root, path, 0700);
        *slash = '/';
        if (made < 0 && errno != EEXIST)
            return -errno;
    }
    return mkdirat(root, path, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

int op_open(struct agent *agent, struct request *request) {
    struct handle *parent;
    int result = take_handle(agent, request, &parent);
    if (result < 0)
        return result;
    bool create = take_u8(request), writable = take_u8(request);
    if ((result = complete(request)) < 0)
        return result;
    if (parent->count != 1)
        return -EINVAL;
    if ((create || writable) && !parent->writable)
        return -EROFS;
    const char *path = request->path + strspn(request->path, "/");
    int root = parent->bases[0]->fd;
    if (create && *path && (result = make_directories(root, request->path + (path - request->path), request->flags & FLAG_PARENTS)) < 0)
        return result;
    int fd = sys_openat2(root, *path ? path : ".", O_RDONLY | O_DIRECTORY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    if (fd < 0)
        return -errno;
    struct base *base = base_create(fd, parent->bases[0]);
    struct handle *handle = base ? handle_create(&base, 1, writable) : NULL;
    if (base)
        base_release(base);
    else
        close(fd);
    result = handle ? handle_add(agent, handle) : -ENOMEM;
    if (result >= 0)
        answer_number(agent, (uint32_t)result);
    return result < 0 ? result : 0;
}

int op_stack(struct agent *agent, struct request *request) {
    struct base *bases[1024];
    bool writable = take_u8(request);
    unsigned count = take_u16(request);
    if (count == 0 || count > N_ELEMENTS(bases))
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        const struct handle *handle = handle_at(agent, take_u32(request));
        if (!handle)
            return -EBADF;
        if (handle->count != 1)
            return -EINVAL;
        if (i == 0 && writable && !handle->writable)
            return -EROFS;
        bases[i] = handle->bases[0];
    }
    int result = complete(request);
    if (result < 0)
        return result;
    struct handle *stack = handle_create(bases, count, writable);
    result = stack ? handle_add(agent, stack) : -ENOMEM;
    if (result >= 0)
        answer_number(agent, (uint32_t)result);
    return result < 0 ? result : 0;
}

int op_close(struct agent *agent, struct request *request) {
    uint32_t number = take_u32(request);
    struct handle *handle = handle_at(agent, number);
    int result = complete(request);
    if (result < 0 || !handle)
        return result < 0 ? result : -EBADF;
    agent->handles[number] = NULL;
    handle_release(handle);
    return 0;
}

int mark_opaque(int fd) {
    return fsetxattr(fd, "user.overlay.opaque", "y", 1, 0) < 0 ? -errno : 0;
}

int op_whiteout(struct agent *agent, struct request *request) {
    struct handle *handle;
    struct target target;
    struct found below;
    int result = take_handle(agent, request, &handle);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = handle->writable ? path_resolve(agent, handle, request->path, 0, false, &target) : -EROFS;
    /* A parent that is nowhere has nothing to hide. */
    if (result == -ENOENT || result == -ENOTDIR)
        return 0;
    if (result < 0)
        return result;
    if (!target.name[0])
        return -EINVAL;
    const struct directory *parent = &handle->levels[target.depth].directory;
    bool in_top = parent->places[0].layer == 0;
    result = directory_find(parent, in_top, target.name, &below);
    if (result < 0)
        return result;
    directory_release(&below.directory);
    handles_changed(agent, handle);
    if (in_top && (result = remove_tree(target_top(&target), target.name)) < 0)
        return result;
    if (below.kind == FOUND_NOTHING)
        return 0;
    result = ensure_top(agent, handle, target.depth);
    if (result < 0)
        return result;
    return mknodat(target_top(&target), target.name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
}

int op_opaque(struct agent *agent, struct request *request) {
    struct handle *handle;
    struct target target;
    struct found found;
    int result = take_handle(agent, request, &handle);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = path_resolve(agent, handle, request->path, 0, false, &target);
    if (result == 0)
        result = target_find(&target, &found);
    if (result < 0)
        return result;
    if (found.kind != FOUND_DIRECTORY)
        return -ENOTDIR;
    bool below = found.directory.count > 1 || found.directory.places[0].layer != 0;
    result = handle->writable ? copy_up(agent, &target, &found) : -EROFS;
    directory_release(&found.directory);
    if (result < 0 || !below)
        return result;
    auto_close int fd = openat(target_top(&target), target.name[0] ? target.name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    handle_forget(handle, 0);
    handles_changed(agent, handle);
    return mark_opaque(fd);
}

/* Finds what a change of attributes is about and brings it into the top. */
static int bring_up(struct agent *agent, struct handle *handle, struct target *target, mode_t *type) {
    struct found found;
    int result = path_resolve(agent, handle, agent->request.path, agent->request.flags, false, target);
    if (result == 0)
        result = target_find(target, &found);
    if (result < 0)
        return result;
    *type = found.kind == FOUND_DIRECTORY ? S_IFDIR : found.stat.st_mode & S_IFMT;
    result = copy_up(agent, target, &found);
    directory_release(&found.directory);
    return result;
}

int op_xattr(struct agent *agent, struct request *request) {
    struct handle *handle;
    struct target target;
    mode_t type;
    char name[AGENT_NAME];
    size_t length, size;
    int result = take_handle(agent, request, &handle);
    const char *text = take_bytes(request, &length);
    const char *value = take_bytes(request, &size);
    if (result == 0)
        result = complete(request);
    if (result == 0 && (length >= sizeof name || memchr(text, 0, length)))
        result = -EINVAL;
    if (result < 0)
        return result;
    memcpy(name, text, length);
    name[length] = 0;
    if (!xattr_allowed(name))
        return -EOPNOTSUPP;
    if ((result = bring_up(agent, handle, &target, &type)) < 0)
        return result;
    if (fchdir(target_top(&target)) < 0)
        return -errno;
    return lsetxattr(target.name[0] ? target.name : ".", name, value, size, 0) < 0 ? -errno : 0;
}

int op_meta(struct agent *agent, struct request *request) {
    struct handle *handle;
    struct target target;
    struct meta meta;
    mode_t type;
    int result = take_handle(agent, request, &handle);
    take_meta(request, &meta);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = bring_up(agent, handle, &target, &type);
    if (result < 0)
        return result;
    if (!target.name[0])
        return meta_apply_fd(agent, target_top(&target), &meta);
    return meta_apply_name(agent, target_top(&target), target.name, type, &meta);
}

int op_remove(struct agent *agent, struct request *request) {
    struct handle *handle;
    struct target target;
    int result = take_handle(agent, request, &handle);
    bool recursive = take_u8(request);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = handle->writable ? path_resolve(agent, handle, request->path, 0, false, &target) : -EROFS;
    if (result < 0)
        return result;
    if (!target.name[0])
        return -EBUSY;
    const struct directory *parent = &handle->levels[target.depth].directory;
    int top = parent->places[0].fd;
    struct stat stat;
    if (parent->places[0].layer != 0 || fstatat(top, target.name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return -ENOENT;
    handles_changed(agent, handle);
    if (recursive)
        return remove_tree(top, target.name);
    return unlinkat(top, target.name, S_ISDIR(stat.st_mode) ? AT_REMOVEDIR : 0) < 0 ? -errno : 0;
}

static int take_single(struct agent *agent, struct request *request, char *path, struct target *target) {
    struct handle *handle = handle_at(agent, take_u32(request));
    int result = take_path(request, path);
    if (result < 0)
        return result;
    if (!handle || handle->count != 1)
        return handle ? -EINVAL : -EBADF;
    if (!handle->writable)
        return -EROFS;
    result = path_resolve(agent, handle, path, 0, false, target);
    return result == 0 && !target->name[0] ? -EBUSY : result;
}

/* What stands in the way steps aside first: nothing is lost when the rename fails, or when the source lies inside it. */
static int replace_by_rename(int from, const char *name, int to, const char *to_name) {
    static const char aside[] = ".coracle-replaced";
    int result = remove_tree(to, aside);
    if (result < 0)
        return result;
    if (rename_new(to, to_name, to, aside) < 0)
        return -errno;
    if (rename_new(from, name, to, to_name) == 0)
        return remove_tree(to, aside);
    int number = errno;
    rename_new(to, aside, to, to_name);
    return -number;
}

static int rename_between(int from, const char *name, int to, const char *to_name, bool replace) {
    if ((replace ? renameat(from, name, to, to_name) : rename_new(from, name, to, to_name)) == 0)
        return 0;
    bool taken = errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR || errno == EISDIR;
    return replace && taken ? replace_by_rename(from, name, to, to_name) : -errno;
}

int op_rename(struct agent *agent, struct request *request) {
    struct target from, to;
    int result = take_single(agent, request, request->path, &from);
    if (result < 0)
        return result;
    /* Both paths may be of one handle, whose cursor the second lookup moves. */
    auto_close int source = fcntl(target_top(&from), F_DUPFD_CLOEXEC, 3);
    result = source < 0 ? -errno : take_single(agent, request, request->other, &to);
    bool replace = take_u8(request);
    if (result == 0)
        result = complete(request);
    if (result < 0)
        return result;
    result = rename_between(source, from.name, target_top(&to), to.name, replace);
    /* Only now: this may close the directories that the two targets stand in. */
    handles_changed(agent, from.handle);
    handles_changed(agent, to.handle);
    return result;
}

int op_syncfs(struct agent *agent, struct request *request) {
    const struct handle *handle = handle_at(agent, take_u32(request));
    int result = complete(request);
    if (result < 0 || !handle)
        return result < 0 ? result : -EBADF;
    return syncfs(handle->bases[0]->fd) < 0 ? -errno : 0;
}
