/*
 * The difference between a stack and a flattened copy of it that was changed, in layer form (the `copy` storage driver).
 *
 * A file is unchanged when its attributes are those below and its ctime is not later than the flattening. The second
 * half says nothing inside a directory that may have been renamed into its place (its own ctime is later, or that of
 * one above): there, content decides.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent-tree.h"

enum { COMPARE_CHUNK = 64 << 10 };

/* A directory of the difference, made when the first entry in it is; `like` is its original in the tree. */
struct lazy {
    struct lazy *parent;
    const char *name;
    int fd, like;
};

struct comparison {
    struct tree_copy copy;
    struct timespec since;
};

/* One name, as both sides have it. */
struct pair {
    const char *name;
    const struct directory *lower;
    const struct listed *below;
    int tree;
};

static int make_lazy(struct comparison *comparison, struct lazy *lazy) {
    if (lazy->fd >= 0)
        return 0;
    int result = make_lazy(comparison, lazy->parent);
    if (result < 0)
        return result;
    comparison->copy.entries++;
    lazy->fd = copy_directory(comparison->copy.agent, lazy->like, lazy->parent->fd, lazy->name);
    return lazy->fd < 0 ? lazy->fd : 0;
}

static bool same_attributes(const struct stat *a, const struct stat *b) {
    bool size = S_ISDIR(a->st_mode) || a->st_size == b->st_size;
    return a->st_mode == b->st_mode && a->st_uid == b->st_uid && a->st_gid == b->st_gid && a->st_rdev == b->st_rdev && size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static bool later(const struct timespec *time, const struct timespec *since) {
    return time->tv_sec > since->tv_sec || (time->tv_sec == since->tv_sec && time->tv_nsec > since->tv_nsec);
}

/* 1 equal, 0 not, negative errno. */
static int same_bytes(int a, int b) {
    char left[COMPARE_CHUNK], right[COMPARE_CHUNK];
    for (;;) {
        ssize_t n = read_full(a, left, sizeof left), m = read_full(b, right, sizeof right);
        if (n < 0 || m < 0)
            return -errno;
        if (n != m || memcmp(left, right, (size_t)n) != 0)
            return 0;
        if (n == 0)
            return 1;
    }
}

static int same_files(const struct agent *agent, int lower, const char *name, int tree) {
    auto_close int a = openat(lower, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    auto_close int b = openat(tree, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (a < 0 || b < 0)
        return -errno;
    int same = xattrs_equal(agent, a, b);
    return same <= 0 ? same : same_bytes(a, b);
}

static int same_links(int lower, const char *name, int tree) {
    char a[AGENT_PATH], b[AGENT_PATH];
    ssize_t n = readlinkat(lower, name, a, sizeof a), m = readlinkat(tree, name, b, sizeof b);
    return n < 0 || m < 0 ? -errno : n == m && memcmp(a, b, (size_t)n) == 0;
}

static int same_leaves(const struct comparison *comparison, const struct pair *pair, const struct stat *now, bool moved) {
    struct stat before;
    int lower = pair->lower->places[pair->below->place].fd;
    if (fstatat(lower, pair->name, &before, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!same_attributes(&before, now))
        return 0;
    if (!moved && !later(&now->st_ctim, &comparison->since))
        return 1;
    if (S_ISREG(now->st_mode))
        return same_files(comparison->copy.agent, lower, pair->name, pair->tree);
    return S_ISLNK(now->st_mode) ? same_links(lower, pair->name, pair->tree) : 1;
}

static int compare_directories(struct comparison *comparison, const struct directory *lower, struct lazy *lazy, bool moved);

static int compare_merged(struct comparison *comparison, const struct pair *pair, struct lazy *parent, int fd, bool moved) {
    struct found found;
    struct stat before, now;
    int result = directory_find(pair->lower, pair->below->place, pair->name, &found);
    if (result < 0)
        return result;
    struct lazy lazy = {.parent = parent, .name = pair->name, .fd = -1, .like = fd};
    int same = -1;
    if (fstat(found.directory.places[0].fd, &before) < 0 || fstat(fd, &now) < 0)
        result = -errno;
    else if ((same = xattrs_equal(comparison->copy.agent, found.directory.places[0].fd, fd)) < 0)
        result = same;
    else if (!same || !same_attributes(&before, &now))
        result = make_lazy(comparison, &lazy);
    if (result == 0)
        result = compare_directories(comparison, &found.directory, &lazy, moved || later(&now.st_ctim, &comparison->since));
    if (result == 0 && lazy.fd >= 0)
        result = set_time_like(lazy.fd, fd);
    drop_fd(&lazy.fd);
    directory_release(&found.directory);
    return result;
}

static bool below_is_directory(const struct pair *pair) {
    struct stat stat;
    return pair->below && fstatat(pair->lower->places[pair->below->place].fd, pair->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 &&
           S_ISDIR(stat.st_mode);
}

static int compare_present(struct comparison *comparison, const struct pair *pair, struct lazy *parent, bool moved) {
    struct stat now;
    if (fstatat(pair->tree, pair->name, &now, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    auto_close int fd = -1;
    if (S_ISDIR(now.st_mode) && (fd = openat(pair->tree, pair->name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) < 0)
        return -errno;
    if (fd >= 0 && below_is_directory(pair))
        return compare_merged(comparison, pair, parent, fd, moved);
    int same = fd < 0 && pair->below && !below_is_directory(pair) ? same_leaves(comparison, pair, &now, moved) : 0;
    int result = same < 0 ? same : same ? 0 : make_lazy(comparison, parent);
    if (result < 0 || same)
        return result;
    const struct directory tree = {&(struct place){.fd = fd}, 1};
    if (fd >= 0)
        return tree_copy_directory(&comparison->copy, &tree, parent->fd, pair->name);
    return tree_copy_leaf(&comparison->copy, pair->tree, pair->name, &now, parent->fd);
}

static int compare_missing(struct comparison *comparison, const char *name, struct lazy *parent) {
    int result = make_lazy(comparison, parent);
    if (result < 0)
        return result;
    comparison->copy.entries++;
    return mknodat(parent->fd, name, S_IFCHR, makedev(0, 0)) < 0 ? -errno : 0;
}

static int compare_listings(struct comparison *comparison, const struct directory *lower, struct lazy *lazy, bool moved,
                            const struct listing below, const struct listing present) {
    size_t i = 0, j = 0, length = comparison->copy.length;
    int result = 0;
    while (result == 0 && (i < below.count || j < present.count)) {
        int order = i == below.count ? 1 : j == present.count ? -1 : strcmp(below.items[i].name, present.items[j].name);
        const char *name = order <= 0 ? below.items[i].name : present.items[j].name;
        result = tree_push(&comparison->copy, name);
        if (result < 0)
            break;
        struct pair pair = {.name = name, .lower = lower, .below = order == 0 ? &below.items[i] : NULL, .tree = lazy->like};
        result = order < 0 ? compare_missing(comparison, name, lazy) : compare_present(comparison, &pair, lazy, moved);
        if (result == 0)
            tree_pop(&comparison->copy, length);
        i += order <= 0;
        j += order >= 0;
    }
    return result;
}

static int compare_directories(struct comparison *comparison, const struct directory *lower, struct lazy *lazy, bool moved) {
    struct listing below, present = {0};
    const struct directory tree = {&(struct place){.fd = lazy->like}, 1};
    int result = listing_read(lower, false, &below);
    if (result == 0)
        result = listing_read(&tree, false, &present);
    if (result == 0)
        result = compare_listings(comparison, lower, lazy, moved, below, present);
    listing_release(&below);
    listing_release(&present);
    return result;
}

int op_compare(struct agent *agent, struct request *request) {
    const struct handle *lower = handle_at(agent, take_u32(request));
    const struct handle *tree = handle_at(agent, take_u32(request));
    const struct handle *target = handle_at(agent, take_u32(request));
    struct comparison comparison = {.copy.agent = agent};
    comparison.since.tv_sec = (time_t)take_u64(request);
    comparison.since.tv_nsec = (long)take_u32(request);
    int result = complete(request);
    if (result < 0 || !lower || !tree || !target)
        return result < 0 ? result : -EBADF;
    if (!target->writable || target->count != 1 || tree->count != 1)
        return -EINVAL;
    struct lazy root = {.fd = target->bases[0]->fd, .like = tree->bases[0]->fd};
    comparison.copy.root = root.fd;
    result = check_empty(root.fd);
    if (result == 0)
        result = dress_directory(agent, root.like, root.fd);
    /* Nothing renames the root itself: its ctime says nothing about the entries in it. */
    if (result == 0)
        result = compare_directories(&comparison, &lower->levels[0].directory, &root, false);
    if (result == 0)
        result = set_time_like(root.fd, root.like);
    links_release(&comparison.copy.links);
    handles_changed(agent, target);
    if (result < 0) {
        strcpy(request->path, comparison.copy.path);
        return result;
    }
    reply_begin(agent, REPLY_OK);
    put_u64(&agent->out, comparison.copy.entries);
    reply_end(agent);
    return 0;
}
