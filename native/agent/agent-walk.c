/* Looking: stat, list, walk, read and resolve. Entries stream out while the walk goes on; only names of open directories are held. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

struct walk {
    struct agent *agent;
    bool raw, contents;
    unsigned limit;
    size_t length;
    char path[AGENT_PATH];
};

static uint8_t type_of(const struct stat *stat) {
    switch (stat->st_mode & S_IFMT) {
    case S_IFREG:
        return TYPE_FILE;
    case S_IFDIR:
        return TYPE_DIRECTORY;
    case S_IFLNK:
        return TYPE_SYMLINK;
    case S_IFIFO:
        return TYPE_FIFO;
    case S_IFCHR:
        return is_whiteout(stat) ? TYPE_WHITEOUT : TYPE_CHAR;
    case S_IFBLK:
        return TYPE_BLOCK;
    default:
        return TYPE_SOCKET;
    }
}

/* Puts the allowed xattrs of `name` in the working directory. */
static int put_xattrs(struct agent *agent, const char *name) {
    char names[AGENT_XATTR];
    struct output *out = &agent->out;
    size_t count_at = out->used;
    unsigned count = 0;
    put_u16(out, 0);
    ssize_t size = llistxattr(name, names, sizeof names);
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -errno;
    for (const char *at = names; at < names + size; at += strlen(at) + 1) {
        if (!xattr_allowed(at))
            continue;
        ssize_t length = lgetxattr(name, at, agent->scratch, AGENT_XATTR);
        if (length < 0 && errno == ENODATA)
            continue;
        if (length < 0)
            return -errno;
        if (out->used - out->frame + (size_t)length + AGENT_NAME > AGENT_FRAME_MAX - 64)
            return -E2BIG;
        put_text(out, at);
        put_bytes(out, agent->scratch, (size_t)length);
        count++;
    }
    out->buffer[count_at] = (char)count;
    out->buffer[count_at + 1] = (char)(count >> 8);
    return 0;
}

static int put_link(struct agent *agent, int parent, const char *name, const struct stat *stat) {
    ssize_t size = 0;
    if (S_ISLNK(stat->st_mode))
        size = readlinkat(parent, name, agent->scratch, AGENT_PATH);
    if (size < 0)
        return -errno;
    put_bytes(&agent->out, agent->scratch, (size_t)size);
    return 0;
}

static void put_stat(struct output *out, const struct stat *stat, bool opaque) {
    put_u8(out, type_of(stat));
    put_u8(out, opaque);
    put_u32(out, stat->st_mode & 07777);
    put_u32(out, stat->st_uid);
    put_u32(out, stat->st_gid);
    put_u64(out, (uint64_t)stat->st_size);
    put_time(out, &stat->st_mtim);
    put_time(out, &stat->st_ctim);
    put_u64(out, (uint64_t)stat->st_dev);
    put_u64(out, (uint64_t)stat->st_ino);
    put_u32(out, (uint32_t)stat->st_nlink);
    put_u32(out, (uint32_t)major(stat->st_rdev));
    put_u32(out, (uint32_t)minor(stat->st_rdev));
}

/* `name` in `parent`; "." stands for the directory itself. */
static int put_entry(struct agent *agent, const char *path, int parent, const char *name, const struct stat *stat, bool opaque) {
    struct stat shown = *stat;
    owner_recorded_name(agent, parent, name, &shown);
    reply_begin(agent, REPLY_ENTRY);
    put_text(&agent->out, path);
    put_stat(&agent->out, &shown, opaque);
    int result = put_link(agent, parent, name, stat);
    if (result < 0)
        return result;
    if (S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode)) {
        if (fchdir(parent) < 0)
            return -errno;
        result = put_xattrs(agent, name);
    } else {
        put_u16(&agent->out, 0);
    }
    if (result == 0)
        reply_end(agent);
    return result;
}

/* Sends `left` bytes from where `fd` stands. Returns what the file did not have. */
static int64_t put_content(struct agent *agent, int fd, uint64_t left) {
    while (left > 0 && !agent->out.broken) {
        size_t room = left < SIZE_MAX ? (size_t)left : SIZE_MAX;
        char *bytes = data_begin(agent, &room);
        ssize_t got = read(fd, bytes, room);
        if (got < 0 && errno == EINTR)
            got = 0;
        else if (got <= 0)
            return got < 0 ? -errno : (int64_t)(left > INT64_MAX ? INT64_MAX : left);
        data_end(agent, (size_t)got);
        left -= (size_t)got;
    }
    return 0;
}

static void drop_frame(struct agent *agent) {
    if (agent->out.open)
        agent->out.used = agent->out.frame;
    agent->out.open = false;
}

static int walk_content(struct walk *walk, int parent, const char *name, const struct stat *stat) {
    if (!walk->contents || !S_ISREG(stat->st_mode) || stat->st_size == 0)
        return 0;
    auto_close int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int64_t missing = put_content(walk->agent, fd, (uint64_t)stat->st_size);
    /* The size is promised already: a file that became shorter ends the walk. */
    return missing > 0 ? -ESTALE : (int)missing;
}

static int walk_directory(struct walk *walk, const struct directory *directory, unsigned depth);

static int enter_directory(struct walk *walk, struct directory *directory, unsigned depth) {
    struct stat stat;
    int fd = directory->places[0].fd;
    if (fstat(fd, &stat) < 0)
        return -errno;
    int result = put_entry(walk->agent, walk->path, fd, ".", &stat, walk->raw && is_opaque(fd));
    if (result == 0 && (walk->limit == 0 || depth < walk->limit))
        result = walk_directory(walk, directory, depth + 1);
    return result;
}

static int walk_item(struct walk *walk, const struct directory *directory, const struct listed *item, unsigned depth) {
    struct found found;
    struct stat stat;
    int parent = directory->places[item->place].fd;
    /* Gone since the directory was read: as if it had been gone before. */
    if (fstatat(parent, item->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISDIR(stat.st_mode)) {
        int result = put_entry(walk->agent, walk->path, parent, item->name, &stat, false);
        return result < 0 ? result : walk_content(walk, parent, item->name, &stat);
    }
    const struct directory top = {directory->places, 1};
    int result = directory_find(walk->raw ? &top : directory, item->place, item->name, &found);
    if (result < 0 || found.kind != FOUND_DIRECTORY)
        return result;
    result = enter_directory(walk, &found.directory, depth);
    directory_release(&found.directory);
    return result;
}

static int walk_directory(struct walk *walk, const struct directory *directory, unsigned depth) {
    struct listing listing;
    size_t length = walk->length;
    int result = listing_read(directory, walk->raw, &listing);
    for (size_t i = 0; result == 0 && i < listing.count && !walk->agent->out.broken; i++) {
        size_t size = strlen(listing.items[i].name);
        if (length + size + 2 > sizeof walk->path) {
            result = -ENAMETOOLONG;
            break;
        }
        if (length > 0)
            walk->path[length] = '/';
        walk->length = length + (length > 0) + size;
        memcpy(walk->path + walk->length - size, listing.items[i].name, size + 1);
        result = walk_item(walk, directory, &listing.items[i], depth);
    }
    walk->length = length;
    if (result == 0)
        walk->path[length] = 0;
    listing_release(&listing);
    return result;
}

/* Handle and path of a request. */
static int take_target(struct agent *agent, struct request *request, unsigned flags, struct target *target) {
    struct handle *handle = handle_at(agent, take_u32(request));
    int result = take_path(request, request->path);
    if (result < 0)
        return result;
    return handle ? path_resolve(agent, handle, request->path, flags, false, target) : -EBADF;
}

/* What a whole request of handle and path is about. */
static int find_requested(struct agent *agent, struct request *request, struct target *target, struct found *found) {
    int result = take_target(agent, request, request->flags, target);
    if (result == 0)
        result = complete(request);
    return result == 0 ? target_find(target, found) : result;
}

static void answer_end(struct agent *agent) {
    reply_begin(agent, REPLY_END);
    reply_end(agent);
}

static const char *name_in(const struct target *target) {
    return target->name[0] ? target->name : ".";
}

int op_stat(struct agent *agent, struct request *request) {
    struct target target;
    struct found found;
    int result = find_requested(agent, request, &target, &found);
    if (result < 0)
        return result;
    struct walk walk = {.agent = agent, .limit = 1};
    if ((result = target_path(&target, walk.path)) < 0) {
        directory_release(&found.directory);
        return result;
    }
    if (found.kind == FOUND_LEAF)
        return put_entry(agent, walk.path, target.handle->levels[target.depth].directory.places[found.place].fd, name_in(&target), &found.stat, false);
    result = enter_directory(&walk, &found.directory, 1);
    directory_release(&found.directory);
    return result;
}

/* Paths in answers are those below the handle's root, without links. */
static int start_at(struct walk *walk, const struct target *target) {
    int result = target_path(target, walk->path);
    walk->length = strlen(walk->path);
    return result;
}

int op_list(struct agent *agent, struct request *request) {
    struct target target;
    struct found found;
    struct walk walk = {.agent = agent, .limit = 1};
    int result = find_requested(agent, request, &target, &found);
    if (result < 0)
        return result;
    result = found.kind == FOUND_DIRECTORY ? start_at(&walk, &target) : -ENOTDIR;
    if (result == 0)
        result = walk_directory(&walk, &found.directory, 1);
    directory_release(&found.directory);
    if (result == 0)
        answer_end(agent);
    return result;
}

static int walk_from(struct walk *walk, const struct target *target) {
    struct found found;
    int result = start_at(walk, target);
    if (result == 0)
        result = target_find(target, &found);
    if (result < 0)
        return result;
    if (found.kind == FOUND_LEAF) {
        int parent = target->handle->levels[target->depth].directory.places[found.place].fd;
        result = put_entry(walk->agent, walk->path, parent, name_in(target), &found.stat, false);
        return result < 0 ? result : walk_content(walk, parent, name_in(target), &found.stat);
    }
    bool in_top = found.directory.places[0].layer == 0;
    result = walk->raw && !in_top ? -ENOENT : enter_directory(walk, &found.directory, 0);
    directory_release(&found.directory);
    return result;
}

int op_walk(struct agent *agent, struct request *request) {
    struct target target;
    struct walk walk = {.agent = agent};
    int result = take_target(agent, request, request->flags, &target);
    walk.raw = take_u8(request);
    walk.contents = take_u8(request);
    walk.limit = take_u32(request);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = walk_from(&walk, &target);
    if (result == 0)
        answer_end(agent);
    else if (walk.length > 0)
        strcpy(request->path, walk.path);
    return result;
}

int op_read(struct agent *agent, struct request *request) {
    struct target target;
    struct found found;
    int result = take_target(agent, request, request->flags, &target);
    uint64_t offset = take_u64(request), length = take_u64(request);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = target_find(&target, &found);
    if (result < 0)
        return result;
    directory_release(&found.directory);
    if (found.kind == FOUND_DIRECTORY || !S_ISREG(found.stat.st_mode))
        return found.kind == FOUND_DIRECTORY ? -EISDIR : -EINVAL;
    int parent = target.handle->levels[target.depth].directory.places[found.place].fd;
    auto_close int fd = openat(parent, target.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0 || lseek(fd, (off_t)offset, SEEK_SET) < 0)
        return -errno;
    int64_t missing = put_content(agent, fd, length);
    if (missing < 0)
        return (int)missing;
    drop_frame(agent);
    answer_end(agent);
    return 0;
}

int op_resolve(struct agent *agent, struct request *request) {
    struct target target;
    struct found found;
    int result = take_target(agent, request, FLAG_FOLLOW, &target);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = target_find(&target, &found);
    if (result < 0)
        return result;
    directory_release(&found.directory);
    char path[AGENT_PATH];
    if ((result = target_path(&target, path)) < 0)
        return result;
    reply_begin(agent, REPLY_OK);
    put_text(&agent->out, path);
    reply_end(agent);
    return 0;
}
