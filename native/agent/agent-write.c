/* Making entries: directories, files, links and nodes in the top directory, as an extracted layer needs them. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent.h"

/* Handle and path of a request to a place that can be written, with the parents resolved. */
static int take_place(struct agent *agent, struct request *request, struct target *target) {
    struct handle *handle = handle_at(agent, take_u32(request));
    int result = take_path(request, request->path);
    if (result < 0)
        return result;
    if (!handle || !handle->writable)
        return handle ? -EROFS : -EBADF;
    return path_resolve(agent, handle, request->path, request->flags, true, target);
}

/* The same with the parents in the top directory. */
static int take_target(struct agent *agent, struct request *request, struct target *target) {
    int result = take_place(agent, request, target);
    return result < 0 ? result : ensure_top(agent, target->handle, target->depth);
}

static int clear_name(struct agent *agent, const struct target *target) {
    handles_changed(agent, target->handle);
    return remove_tree(target_top(target), target->name);
}

/* True when a directory in layers below would show through a new directory of that name in the top. */
static int directory_below(const struct target *target) {
    const struct directory *parent = &target->handle->levels[target->depth].directory;
    struct found found;
    int result = directory_find(parent, 1, target->name, &found);
    if (result < 0)
        return result;
    bool below = found.kind == FOUND_DIRECTORY;
    directory_release(&found.directory);
    return below;
}

static int replace_by_directory(struct agent *agent, const struct target *target, const struct meta *meta) {
    int below = directory_below(target);
    int result = below < 0 ? below : clear_name(agent, target);
    if (result < 0)
        return result;
    auto_close int fd = copy_directory(agent, -1, target_top(target), target->name);
    if (fd < 0)
        return fd;
    /* What stood here hid the directory below; the new one must go on hiding it. */
    if (below && (result = mark_opaque(fd)) < 0)
        return result;
    return meta_apply_fd(agent, fd, meta);
}

static int make_directory(struct agent *agent, const struct target *target, const struct meta *meta) {
    int result = ensure_top(agent, target->handle, target->depth);
    if (result < 0)
        return result;
    if (mkdirat(target_top(target), target->name, 0700) < 0)
        return -errno;
    handles_changed(agent, target->handle);
    struct meta whole = *meta;
    if (!(whole.mask & META_MODE))
        whole.mode = 0755;
    if (!(whole.mask & META_OWNER))
        whole.uid = whole.gid = 0;
    whole.mask |= META_MODE | META_OWNER;
    return meta_apply_name(agent, target_top(target), target->name, S_IFDIR, &whole);
}

/* An existing merged directory: refused, given `meta`, or left alone. */
static int keep_directory(struct agent *agent, const struct target *target, const struct found *found, const struct meta *meta, unsigned replace) {
    if (replace == 0)
        return -EEXIST;
    if (replace == 2)
        return 0;
    int result = copy_up(agent, target, found);
    if (result < 0)
        return result;
    if (!target->name[0])
        return meta_apply_fd(agent, target_top(target), meta);
    return meta_apply_name(agent, target_top(target), target->name, S_IFDIR, meta);
}

int op_mkdir(struct agent *agent, struct request *request) {
    struct target target;
    struct meta meta;
    struct found found;
    int result = take_place(agent, request, &target);
    if (result < 0)
        return result;
    take_meta(request, &meta);
    unsigned replace = take_u8(request);
    if ((result = complete(request)) < 0)
        return result;
    unsigned whole = META_MODE | META_OWNER | META_TIME;
    /* With every attribute given, what is below does not matter: no lookup unless the name is taken. */
    if (target.name[0] && replace == 1 && (meta.mask & whole) == whole) {
        result = make_directory(agent, &target, &meta);
        if (result != -EEXIST)
            return result;
    }
    result = target_find(&target, &found);
    if (result == 0 && found.kind == FOUND_DIRECTORY) {
        result = keep_directory(agent, &target, &found, &meta, replace);
        directory_release(&found.directory);
        return result;
    }
    if (result < 0 && result != -ENOENT)
        return result;
    if (result == 0 && replace != 1)
        return -EEXIST;
    result = make_directory(agent, &target, &meta);
    return result == -EEXIST ? replace_by_directory(agent, &target, &meta) : result;
}

static struct pending *find_pending(struct agent *agent, bool used, uint32_t tag) {
    for (size_t i = 0; i < AGENT_PENDING; i++)
        if (agent->pending[i].used == used && (!used || agent->pending[i].tag == tag))
            return &agent->pending[i];
    return NULL;
}

int create_file(struct agent *agent, const struct target *target, const struct meta *meta) {
    /* Never readable for an owner that is still the wrong one. */
    bool own = !(meta->mask & META_OWNER) || (meta->uid == 0 && meta->gid == 0);
    mode_t mode = !own ? 0600 : meta->mask & META_MODE ? meta->mode : 0644;
    int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
    if (!target->name[0])
        return -EISDIR;
    int fd = openat(target_top(target), target->name, flags, mode);
    if (fd < 0 && errno == EEXIST) {
        int result = clear_name(agent, target);
        if (result < 0)
            return result;
        fd = openat(target_top(target), target->name, flags, mode);
    }
    return fd < 0 ? -errno : fd;
}

static int open_file(struct agent *agent, const struct target *target, const struct meta *meta) {
    struct meta whole = *meta;
    int fd = create_file(agent, target, meta);
    if (fd < 0)
        return fd;
    if (!(whole.mask & META_MODE))
        whole.mode = 0644;
    if (!(whole.mask & META_OWNER))
        whole.uid = whole.gid = 0;
    whole.mask = META_MODE | META_OWNER;
    int result = meta_apply_fd(agent, fd, &whole);
    if (result == 0)
        return fd;
    close(fd);
    return result;
}

/* write(2) takes setuid and setgid away, in a user namespace from its root too. */
static int finish_file(int fd, const struct meta *meta) {
    if ((meta->mask & META_MODE) && (meta->mode & 06000) && fchmod(fd, meta->mode) < 0)
        return -errno;
    if ((meta->mask & META_TIME) && futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, meta->time}) < 0)
        return -errno;
    return 0;
}

/* Content goes on in later frames. After a failure the slot stays, so that the rest of the content is passed over. */
static int keep_pending(struct agent *agent, const struct request *request, int fd, uint64_t left, const struct meta *meta) {
    struct pending *pending = find_pending(agent, false, 0);
    if (!pending) {
        if (fd >= 0)
            close(fd);
        return -EMFILE;
    }
    *pending = (struct pending){.used = true,
                                .tag = request->tag,
                                .acknowledge = request->flags & FLAG_ACK,
                                .fd = fd,
                                .left = left,
                                .meta = *meta,
                                .path = strdup(request->path)};
    return 0;
}

static void acknowledge(struct agent *agent) {
    reply_begin(agent, REPLY_OK);
    reply_end(agent);
}

/* Content is in the frame, or in the memory that is shared with the client. */
static const char *take_content(const struct agent *agent, struct request *request, size_t *size) {
    if (request->op != OP_SHARED_FILE && request->op != OP_SHARED_DATA)
        return take_bytes(request, size);
    uint32_t at = take_u32(request);
    *size = take_u32(request);
    if (agent->memory && at <= agent->memory_size && *size <= agent->memory_size - at)
        return (const char *)agent->memory + at;
    request->bad = true;
    *size = 0;
    return "";
}

int op_file(struct agent *agent, struct request *request) {
    struct target target;
    struct meta meta = {0};
    size_t size;
    int found = take_target(agent, request, &target);
    take_meta(request, &meta);
    uint64_t whole = take_u64(request);
    const char *bytes = take_content(agent, request, &size);
    int result = complete(request);
    if (result < 0 || size > whole)
        return -EBADMSG;
    int fd = found < 0 ? found : open_file(agent, &target, &meta);
    if (fd >= 0 && (result = write_content(fd, bytes, size, size == whole)) < 0) {
        close(fd);
        fd = result;
    }
    if (size < whole) {
        result = keep_pending(agent, request, fd, whole - size, &meta);
        return fd < 0 ? fd : result;
    }
    if (fd < 0)
        return fd;
    result = finish_file(fd, &meta);
    close(fd);
    if (result == 0 && (request->flags & FLAG_ACK))
        acknowledge(agent);
    return result;
}

/* No bytes before the content is whole: the sender gives the file up. */
int op_file_data(struct agent *agent, struct request *request) {
    size_t size;
    const char *bytes = take_content(agent, request, &size);
    struct pending *pending = find_pending(agent, true, request->tag);
    if (complete(request) < 0 || !pending)
        return -EBADMSG;
    strcpy(request->path, pending->path ? pending->path : "");
    bool given_up = size == 0;
    int result = size > pending->left ? -EBADMSG : 0;
    if (pending->fd >= 0 && result == 0)
        result = write_content(pending->fd, bytes, size, size == pending->left);
    pending->left -= size > pending->left ? pending->left : size;
    bool done = pending->left == 0 || given_up;
    if (pending->fd >= 0 && result == 0 && done && !given_up)
        result = finish_file(pending->fd, &pending->meta);
    if (pending->fd >= 0 && (result < 0 || done)) {
        close(pending->fd);
        pending->fd = -1;
        if (result == 0 && pending->acknowledge)
            acknowledge(agent);
    }
    if (done) {
        free(pending->path);
        *pending = (struct pending){.used = false};
    }
    return result;
}

int op_symlink(struct agent *agent, struct request *request) {
    struct target target;
    struct meta meta;
    char text[AGENT_PATH];
    size_t size;
    int result = take_target(agent, request, &target);
    if (result < 0)
        return result;
    const char *bytes = take_bytes(request, &size);
    take_meta(request, &meta);
    if ((result = complete(request)) < 0)
        return result;
    if (size >= sizeof text)
        return -ENAMETOOLONG;
    memcpy(text, bytes, size);
    text[size] = 0;
    if (size == 0 || strlen(text) != size)
        return -EINVAL;
    if (!target.name[0])
        return -EISDIR;
    if (symlinkat(text, target_top(&target), target.name) < 0) {
        if (errno != EEXIST)
            return -errno;
        if ((result = clear_name(agent, &target)) < 0)
            return result;
        if (symlinkat(text, target_top(&target), target.name) < 0)
            return -errno;
    }
    meta.mask &= META_OWNER | META_LINK_TIME;
    return meta_apply_name(agent, target_top(&target), target.name, S_IFLNK, &meta);
}

/* An open descriptor of the directory that holds the existing name, after copying up; the cursor may move afterwards. */
static int link_source(struct agent *agent, struct handle *handle, const char *path, char name[AGENT_NAME]) {
    struct target source;
    struct found found;
    int result = path_resolve(agent, handle, path, 0, false, &source);
    if (result == 0)
        result = target_find(&source, &found);
    if (result < 0)
        return result;
    if (found.kind == FOUND_DIRECTORY) {
        directory_release(&found.directory);
        return -EPERM;
    }
    result = copy_up(agent, &source, &found);
    if (result < 0)
        return result;
    strcpy(name, source.name);
    int fd = fcntl(target_top(&source), F_DUPFD_CLOEXEC, 3);
    return fd < 0 ? -errno : fd;
}

int op_link(struct agent *agent, struct request *request) {
    struct target target;
    char name[AGENT_NAME];
    struct stat old, new;
    struct handle *handle = handle_at(agent, take_u32(request));
    int result = take_path(request, request->path);
    if (result == 0)
        result = take_path(request, request->other);
    if (result == 0)
        result = complete(request);
    if (result < 0)
        return result;
    if (!handle)
        return -EBADF;
    auto_close int from = link_source(agent, handle, request->other, name);
    if (from < 0)
        return from;
    result = path_resolve(agent, handle, request->path, request->flags, true, &target);
    if (result == 0)
        result = ensure_top(agent, handle, target.depth);
    if (result < 0)
        return result;
    if (!target.name[0])
        return -EISDIR;
    int to = target_top(&target);
    if (linkat(from, name, to, target.name, 0) == 0)
        return 0;
    if (errno != EEXIST)
        return -errno;
    /* Two names of one file already: removing the new one first could remove the last. */
    if (fstatat(from, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && fstatat(to, target.name, &new, AT_SYMLINK_NOFOLLOW) == 0 &&
        old.st_dev == new.st_dev && old.st_ino == new.st_ino)
        return 0;
    result = clear_name(agent, &target);
    if (result < 0)
        return result;
    return linkat(from, name, to, target.name, 0) < 0 ? -errno : 0;
}

int op_node(struct agent *agent, struct request *request) {
    static const mode_t kinds[] = {[TYPE_FIFO] = S_IFIFO, [TYPE_CHAR] = S_IFCHR, [TYPE_BLOCK] = S_IFBLK, [TYPE_SOCKET] = S_IFSOCK};
    struct target target;
    struct meta meta;
    int result = take_target(agent, request, &target);
    if (result < 0)
        return result;
    unsigned type = take_u8(request);
    unsigned major_number = take_u32(request);
    unsigned minor_number = take_u32(request);
    take_meta(request, &meta);
    if ((result = complete(request)) < 0)
        return result;
    if (type >= N_ELEMENTS(kinds) || !kinds[type] || !target.name[0])
        return -EINVAL;
    /* Character device 0:0 is a whiteout: only op_whiteout makes those. */
    if (type == TYPE_CHAR && major_number == 0 && minor_number == 0)
        return -EPERM;
    mode_t mode = kinds[type] | (meta.mask & META_MODE ? meta.mode : 0644);
    dev_t device = type == TYPE_FIFO || type == TYPE_SOCKET ? 0 : makedev(major_number, minor_number);
    if (mknodat(target_top(&target), target.name, mode, device) < 0) {
        if (errno != EEXIST)
            return -errno;
        if ((result = clear_name(agent, &target)) < 0)
            return result;
        if (mknodat(target_top(&target), target.name, mode, device) < 0)
            return -errno;
    }
    return meta_apply_name(agent, target_top(&target), target.name, kinds[type], &meta);
}
