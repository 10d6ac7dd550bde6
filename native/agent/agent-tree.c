/* Whole trees: the merged view as one directory, an upper of fuse-overlayfs in the kernel's form, what a tree takes. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent-tree.h"

int tree_push(struct tree_copy *copy, const char *name) {
    size_t length = copy->length, size = strlen(name);
    if (length + size + 2 > sizeof copy->path)
        return -ENAMETOOLONG;
    if (length > 0)
        copy->path[length++] = '/';
    memcpy(copy->path + length, name, size + 1);
    copy->length = length + size;
    return 0;
}

void tree_pop(struct tree_copy *copy, size_t length) {
    copy->length = length;
    copy->path[length] = 0;
}

int tree_copy_leaf(struct tree_copy *copy, int from, const char *name, const struct stat *stat, int to) {
    const char *first = S_ISREG(stat->st_mode) && stat->st_nlink > 1 ? links_remember(&copy->links, stat, copy->path) : NULL;
    copy->entries++;
    if (first)
        return linkat(copy->root, first, to, name, 0) < 0 ? -errno : 0;
    return copy_leaf(copy->agent, from, name, stat, to, name);
}

int set_time_like(int fd, int like) {
    struct stat stat;
    if (fstat(like, &stat) < 0 || futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, stat.st_mtim}) < 0)
        return -errno;
    return 0;
}

static int copy_item(struct tree_copy *copy, const struct directory *from, const struct listed *item, int to) {
    struct stat stat;
    struct found found;
    int parent = from->places[item->place].fd;
    if (fstatat(parent, item->name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISDIR(stat.st_mode))
        return tree_copy_leaf(copy, parent, item->name, &stat, to);
    int result = directory_find(from, item->place, item->name, &found);
    if (result < 0 || found.kind != FOUND_DIRECTORY)
        return result;
    result = tree_copy_directory(copy, &found.directory, to, item->name);
    directory_release(&found.directory);
    return result;
}

int tree_copy_children(struct tree_copy *copy, const struct directory *from, int to) {
    struct listing listing;
    size_t length = copy->length;
    int result = listing_read(from, false, &listing);
    for (size_t i = 0; result == 0 && i < listing.count; i++) {
        result = tree_push(copy, listing.items[i].name);
        if (result == 0)
            result = copy_item(copy, from, &listing.items[i], to);
        if (result == 0)
            tree_pop(copy, length);
    }
    listing_release(&listing);
    return result;
}

int tree_copy_directory(struct tree_copy *copy, const struct directory *from, int to, const char *name) {
    auto_close int fd = copy_directory(copy->agent, from->places[0].fd, to, name);
    if (fd < 0)
        return fd;
    copy->entries++;
    int result = tree_copy_children(copy, from, fd);
    return result < 0 ? result : set_time_like(fd, from->places[0].fd);
}

int check_empty(int fd) {
    struct listing listing;
    const struct directory directory = {&(struct place){.fd = fd}, 1};
    int result = listing_read(&directory, true, &listing);
    if (result == 0 && listing.count > 0)
        result = -ENOTEMPTY;
    listing_release(&listing);
    return result;
}

/*
 * A time that no later change can share: the clock of inode times is coarse, so wait until it ticks. A change of
 * mode to what it is already moves nothing but ctime.
 */
static int settle(int fd, struct timespec *since) {
    struct stat stat;
    if (fstat(fd, &stat) < 0 || fchmod(fd, stat.st_mode & 07777) < 0 || fstat(fd, &stat) < 0)
        return -errno;
    *since = stat.st_ctim;
    while (stat.st_ctim.tv_sec == since->tv_sec && stat.st_ctim.tv_nsec == since->tv_nsec) {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        if (fchmod(fd, stat.st_mode & 07777) < 0 || fstat(fd, &stat) < 0)
            return -errno;
    }
    return 0;
}

int op_flatten(struct agent *agent, struct request *request) {
    const struct handle *source = handle_at(agent, take_u32(request));
    const struct handle *target = handle_at(agent, take_u32(request));
    struct timespec since;
    int result = complete(request);
    if (result < 0 || !source || !target)
        return result < 0 ? result : -EBADF;
    if (!target->writable || target->count != 1)
        return -EROFS;
    struct tree_copy copy = {.agent = agent, .root = target->bases[0]->fd};
    const struct directory *from = &source->levels[0].directory;
    result = check_empty(copy.root);
    if (result == 0)
        result = dress_directory(agent, from->places[0].fd, copy.root);
    if (result == 0)
        result = tree_copy_children(&copy, from, copy.root);
    if (result == 0)
        result = set_time_like(copy.root, from->places[0].fd);
    if (result == 0)
        result = settle(copy.root, &since);
    links_release(&copy.links);
    handles_changed(agent, target);
    if (result < 0) {
        strcpy(request->path, copy.path);
        return result;
    }
    reply_begin(agent, REPLY_OK);
    put_time(&agent->out, &since);
    reply_end(agent);
    return 0;
}

static int add_usage(int fd, struct links *links, uint64_t total[2]) {
    struct listing listing;
    struct stat stat;
    const struct directory directory = {&(struct place){.fd = fd}, 1};
    int result = listing_read(&directory, true, &listing);
    for (size_t i = 0; result == 0 && i < listing.count; i++) {
        const char *name = listing.items[i].name;
        if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone meanwhile */
        if (!S_ISDIR(stat.st_mode) && stat.st_nlink > 1 && links_remember(links, &stat, ""))
            continue;
        total[0] += (uint64_t)stat.st_blocks * 512;
        total[1]++;
        if (!S_ISDIR(stat.st_mode))
            continue;
        auto_close int child = openat(fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        result = child < 0 ? (errno == ENOENT ? 0 : -errno) : add_usage(child, links, total);
    }
    listing_release(&listing);
    return result;
}

int op_usage(struct agent *agent, struct request *request) {
    struct handle *handle = handle_at(agent, take_u32(request));
    struct target target;
    struct links links = {0};
    struct stat stat;
    uint64_t total[2] = {0, 0};
    int result = take_path(request, request->path);
    if (result == 0)
        result = complete(request);
    if (result == 0)
        result = handle ? path_resolve(agent, handle, request->path, 0, false, &target) : -EBADF;
    if (result < 0)
        return result;
    const struct place *place = &handle->levels[target.depth].directory.places[0];
    if (place->layer != 0)
        return -ENOENT;
    auto_close int fd = openat(place->fd, target.name[0] ? target.name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &stat) < 0)
        return -errno;
    total[0] = (uint64_t)stat.st_blocks * 512;
    total[1] = 1;
    result = add_usage(fd, &links, total);
    links_release(&links);
    if (result < 0)
        return result;
    reply_begin(agent, REPLY_OK);
    put_u64(&agent->out, total[0]);
    put_u64(&agent->out, total[1]);
    reply_end(agent);
    return 0;
}
