/* Paths through the merged view: symbolic links stay inside the root, and the top gets the parents a write needs. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

/* A walk in progress: what is left of the path, with links spliced in, and how deep it stands. */
struct walk {
    struct agent *agent;
    struct handle *handle;
    size_t depth;
    unsigned links;
    bool follow, create;
    char rest[2 * AGENT_PATH];
    char *next;
};

static int push_level(struct handle *handle, const char *name, struct directory *directory) {
    if (handle->depth + 1 == handle->room) {
        struct level *levels = realloc(handle->levels, 2 * handle->room * sizeof *levels);
        if (!levels)
            return -ENOMEM;
        handle->levels = levels;
        handle->room *= 2;
    }
    char *copy = strdup(name);
    if (!copy)
        return -ENOMEM;
    handle->levels[++handle->depth] = (struct level){copy, *directory};
    *directory = (struct directory){0};
    return 0;
}

static bool has_top(const struct level *level) {
    return level->directory.count > 0 && level->directory.places[0].layer == 0;
}

static int put_top_first(struct directory *directory, int fd) {
    struct place *places = realloc(directory->places, (directory->count + 1) * sizeof *places);
    if (!places) {
        close(fd);
        return -ENOMEM;
    }
    memmove(places + 1, places, directory->count * sizeof *places);
    places[0] = (struct place){.fd = fd, .layer = 0};
    directory->places = places;
    directory->count++;
    return 0;
}

int ensure_top(struct agent *agent, struct handle *handle, size_t depth) {
    size_t first = depth + 1;
    if (!handle->writable)
        return -EROFS;
    while (first > 1 && !has_top(&handle->levels[first - 1]))
        first--;
    for (size_t i = first; i <= depth; i++) {
        struct level *level = &handle->levels[i];
        int parent = handle->levels[i - 1].directory.places[0].fd;
        int fd = copy_directory(agent, level->directory.places[0].fd, parent, level->name);
        if (fd < 0)
            return fd;
        int result = put_top_first(&level->directory, fd);
        if (result < 0)
            return result;
        handles_changed(agent, handle);
    }
    for (size_t i = depth; i >= first; i--) {
        const struct directory *directory = &handle->levels[i].directory;
        struct stat below;
        if (fstat(directory->places[1].fd, &below) == 0)
            futimens(directory->places[0].fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, below.st_mtim});
    }
    return 0;
}

/* The next component into `name`; false at the end of the path. */
static int next_component(struct walk *walk, char name[AGENT_NAME]) {
    walk->next += strspn(walk->next, "/");
    size_t length = strcspn(walk->next, "/");
    if (length >= AGENT_NAME)
        return -ENAMETOOLONG;
    memcpy(name, walk->next, length);
    name[length] = 0;
    walk->next += length;
    return length > 0;
}

static int splice_link(struct walk *walk, const struct directory *parent, const struct found *found, const char *name) {
    char text[2 * AGENT_PATH];
    if (++walk->links > AGENT_LINKS)
        return -ELOOP;
    ssize_t size = readlinkat(parent->places[found->place].fd, name, text, AGENT_PATH);
    if (size < 0)
        return -errno;
    size_t rest = strlen(walk->next);
    if ((size_t)size >= AGENT_PATH || (size_t)size + rest >= sizeof text)
        return -ENAMETOOLONG;
    memcpy(text + size, walk->next, rest + 1);
    memcpy(walk->rest, text, (size_t)size + rest + 1);
    walk->next = walk->rest;
    if (text[0] == '/')
        walk->depth = 0;
    return 0;
}

static int make_parent(struct walk *walk, const char *name) {
    struct directory directory = {0};
    int result = ensure_top(walk->agent, walk->handle, walk->depth);
    if (result < 0)
        return result;
    int parent = walk->handle->levels[walk->depth].directory.places[0].fd;
    /* A whiteout of this layer makes way; what it hid stays hidden, because the new directory is opaque then. */
    bool replaced = unlinkat(parent, name, 0) == 0;
    int fd = copy_directory(walk->agent, -1, parent, name);
    if (fd < 0)
        return fd;
    if (replaced)
        result = mark_opaque(fd);
    if (result == 0)
        result = put_top_first(&directory, fd);
    else
        close(fd);
    if (result == 0)
        result = push_level(walk->handle, name, &directory);
    directory_release(&directory);
    handles_changed(walk->agent, walk->handle);
    walk->depth = walk->handle->depth;
    return result;
}

/* Goes into `name`, or splices it in when it is a link. `last`: nothing of the path is left. Returns 1 when `name` is the target's. */
static int enter(struct walk *walk, const char *name, bool last) {
    struct handle *handle = walk->handle;
    struct found found;
    if (handle->depth > walk->depth && !strcmp(handle->levels[walk->depth + 1].name, name)) {
        walk->depth++;
        return 0;
    }
    handle_forget(handle, walk->depth);
    const struct directory *parent = &handle->levels[walk->depth].directory;
    int result = directory_find(parent, 0, name, &found);
    if (result < 0)
        return result;
    if (found.kind == FOUND_LEAF && S_ISLNK(found.stat.st_mode))
        return splice_link(walk, parent, &found, name);
    if (last) {
        directory_release(&found.directory);
        return 1;
    }
    if (found.kind == FOUND_LEAF)
        return -ENOTDIR;
    if (found.kind == FOUND_NOTHING)
        return walk->create ? make_parent(walk, name) : -ENOENT;
    result = push_level(handle, name, &found.directory);
    directory_release(&found.directory);
    walk->depth = handle->depth;
    return result;
}

static int step(struct walk *walk, char name[AGENT_NAME]) {
    bool last = walk->next[strspn(walk->next, "/")] == 0;
    if (!strcmp(name, "."))
        return 0;
    if (!strcmp(name, "..")) {
        walk->depth -= walk->depth > 0;
        return 0;
    }
    return last && !walk->follow ? 1 : enter(walk, name, last);
}

int path_resolve(struct agent *agent, struct handle *handle, const char *path, unsigned flags, bool create, struct target *target) {
    struct walk walk = {.agent = agent, .handle = handle, .follow = flags & FLAG_FOLLOW, .create = create && (flags & FLAG_PARENTS)};
    int result = 0, more;
    strcpy(walk.rest, path);
    walk.next = walk.rest;
    *target = (struct target){.handle = handle};
    while (result == 0 && (more = next_component(&walk, target->name)) != 0)
        result = more < 0 ? more : step(&walk, target->name);
    if (result <= 0)
        target->name[0] = 0;
    handle_forget(handle, walk.depth);
    target->depth = walk.depth;
    return result < 0 ? result : 0;
}

int target_find(const struct target *target, struct found *found) {
    const struct directory *directory = &target->handle->levels[target->depth].directory;
    if (target->name[0]) {
        int result = directory_find(directory, 0, target->name, found);
        return result == 0 && found->kind == FOUND_NOTHING ? -ENOENT : result;
    }
    *found = (struct found){.kind = FOUND_DIRECTORY};
    struct place *places = found->directory.places = calloc(directory->count, sizeof *places);
    for (size_t i = 0; places && i < directory->count; i++, found->directory.count++) {
        int fd = fcntl(directory->places[i].fd, F_DUPFD_CLOEXEC, 3);
        if (fd < 0) {
            int number = errno;
            directory_release(&found->directory);
            return -number;
        }
        places[i] = (struct place){.fd = fd, .layer = directory->places[i].layer};
    }
    return places ? 0 : -ENOMEM;
}

int target_open(const struct target *target, uint64_t offset) {
    struct found found;
    int result = target_find(target, &found);
    if (result < 0)
        return result;
    directory_release(&found.directory);
    if (found.kind == FOUND_DIRECTORY || !S_ISREG(found.stat.st_mode))
        return found.kind == FOUND_DIRECTORY ? -EISDIR : -EINVAL;
    int parent = target->handle->levels[target->depth].directory.places[found.place].fd;
    int fd = openat(parent, target->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    if (offset > 0 && lseek(fd, (off_t)offset, SEEK_SET) < 0) {
        result = -errno;
        close(fd);
        return result;
    }
    return fd;
}

int target_top(const struct target *target) {
    return target->handle->levels[target->depth].directory.places[0].fd;
}

int target_path(const struct target *target, char path[AGENT_PATH]) {
    size_t length = 0;
    path[0] = 0;
    for (size_t i = 1; i <= target->depth + 1; i++) {
        const char *name = i <= target->depth ? target->handle->levels[i].name : target->name;
        size_t size = strlen(name);
        if (length + size + 2 > AGENT_PATH)
            return -ENAMETOOLONG;
        if (length > 0 && size > 0)
            path[length++] = '/';
        memcpy(path + length, name, size + 1);
        length += size;
    }
    return 0;
}
