/* Looking: stat, list, walk, read and resolve. Entries stream out while the walk goes on; only names of open directories are held. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

struct walk {
    struct agent *agent;
    bool raw, contents, full;
    unsigned limit;
    /* Entries still to be told before the walk is full; 0 is no limit. */
    uint32_t most;
    size_t length;
    /* The entry in hand was told by an earlier walk, and in it all up to this path, which may be empty; NULL for others. */
    const char *after;
    char path[AGENT_PATH];
};

static int tell(struct walk *walk, int parent, const char *name, const struct stat *stat, bool opaque) {
    int result = put_entry(walk->agent, walk->path, parent, name, stat, opaque);
    if (result == 0 && walk->most > 0 && --walk->most == 0)
        walk->full = true;
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
    int result = walk->after ? 0 : tell(walk, fd, ".", &stat, walk->raw && is_opaque(fd));
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
        int result = walk->after ? 0 : tell(walk, parent, item->name, &stat, false);
        return result < 0 || walk->after ? result : walk_content(walk, parent, item->name, &stat);
    }
    const struct directory top = {directory->places, 1};
    int result = directory_find(walk->raw ? &top : directory, item->place, item->name, &found);
    if (result < 0 || found.kind != FOUND_DIRECTORY)
        return result;
    result = enter_directory(walk, &found.directory, depth);
    directory_release(&found.directory);
    return result;
}

/* Leaves out what comes before the first component of `*after`; for what has this name, what is behind it stays to be left out. */
static bool is_told(struct walk *walk, const char *name, const char **after) {
    walk->after = NULL;
    if (!*after)
        return false;
    size_t length = strcspn(*after, "/");
    int order = strncmp(name, *after, length);
    if (order < 0)
        return true;
    if (order == 0 && name[length] == 0)
        walk->after = *after + length + ((*after)[length] == '/');
    *after = NULL;
    return false;
}

static int walk_directory(struct walk *walk, const struct directory *directory, unsigned depth) {
    struct listing listing;
    size_t length = walk->length;
    const char *after = walk->after && *walk->after ? walk->after : NULL;
    int result = listing_read(directory, walk->raw, &listing);
    walk->after = NULL;
    for (size_t i = 0; result == 0 && i < listing.count && !walk->full && !walk->agent->out.broken; i++) {
        if (is_told(walk, listing.items[i].name, &after))
            continue;
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

/* What is left out is a path as answers have it: below the handle's root, the start or something in it. */
static int begin_after(struct walk *walk) {
    const char *after = walk->agent->request.other;
    if (!walk->after)
        return 0;
    if (strncmp(after, walk->path, walk->length) != 0)
        return -EINVAL;
    after += walk->length;
    if (walk->length > 0 && *after && *after != '/')
        return -EINVAL;
    walk->after = after + (*after == '/');
    return 0;
}

static int walk_from(struct walk *walk, const struct target *target) {
    struct found found;
    int result = start_at(walk, target);
    if (result == 0)
        result = target_find(target, &found);
    if (result < 0)
        return result;
    if ((result = begin_after(walk)) < 0) {
        directory_release(&found.directory);
        return result;
    }
    if (found.kind == FOUND_LEAF) {
        int parent = target->handle->levels[target->depth].directory.places[found.place].fd;
        result = walk->after ? 0 : tell(walk, parent, name_in(target), &found.stat, false);
        return result < 0 || walk->after ? result : walk_content(walk, parent, name_in(target), &found.stat);
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
    walk.most = take_u32(request);
    /* Without a flag of its own an empty path could not tell the start from nothing. */
    if (take_u8(request))
        walk.after = request->other;
    int other = take_path(request, request->other);
    if (result == 0)
        result = other;
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
    int result = take_target(agent, request, request->flags, &target);
    uint64_t offset = take_u64(request), length = take_u64(request);
    if (result == 0)
        result = complete(request);
    if (result < 0)
        return result;
    auto_close int fd = target_open(&target, offset);
    if (fd < 0)
        return fd;
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
