/* Handles and their directories: which layers contribute to a merged directory, and what a name in it is. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

struct base *base_create(int fd, struct base *parent) {
    struct base *base = malloc(sizeof *base);
    if (!base)
        return NULL;
    *base = (struct base){.fd = fd, .references = 1, .parent = parent};
    if (parent)
        parent->references++;
    return base;
}

void base_release(struct base *base) {
    while (base && --base->references == 0) {
        struct base *parent = base->parent;
        close(base->fd);
        free(base);
        base = parent;
    }
}

struct handle *handle_create(struct base **bases, size_t count, bool writable) {
    struct handle *handle = calloc(1, sizeof *handle);
    struct place *places = calloc(count, sizeof *places);
    struct base **own = calloc(count, sizeof *own);
    struct level *levels = calloc(16, sizeof *levels);
    if (!handle || !places || !own || !levels) {
        free(handle);
        free(places);
        free(own);
        free(levels);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        own[i] = bases[i];
        own[i]->references++;
        places[i] = (struct place){.fd = bases[i]->fd, .layer = (uint32_t)i};
    }
    levels[0] = (struct level){.directory = {places, count}};
    *handle = (struct handle){.writable = writable, .count = count, .bases = own, .levels = levels, .room = 16};
    return handle;
}

void handle_forget(struct handle *handle, size_t depth) {
    while (handle->depth > depth) {
        struct level *level = &handle->levels[handle->depth--];
        free(level->name);
        directory_release(&level->directory);
    }
}

void handle_release(struct handle *handle) {
    handle_forget(handle, 0);
    free(handle->levels[0].directory.places);
    free(handle->levels);
    for (size_t i = 0; i < handle->count; i++)
        base_release(handle->bases[i]);
    free(handle->bases);
    free(handle);
}

struct handle *handle_at(struct agent *agent, uint32_t number) {
    return number < agent->handle_count ? agent->handles[number] : NULL;
}

int handle_add(struct agent *agent, struct handle *handle) {
    size_t number = 0;
    while (number < agent->handle_count && agent->handles[number])
        number++;
    if (number == AGENT_HANDLES) {
        handle_release(handle);
        return -EMFILE;
    }
    if (number == agent->handle_count)
        agent->handle_count++;
    agent->handles[number] = handle;
    return (int)number;
}

static bool is_within(const struct base *base, const struct base *ancestor) {
    while (base && base != ancestor)
        base = base->parent;
    return base != NULL;
}

void handles_changed(struct agent *agent, const struct handle *changed) {
    const struct base *top = changed->bases[0];
    for (size_t i = 0; i < agent->handle_count; i++) {
        struct handle *handle = agent->handles[i];
        if (!handle || handle == changed || handle->depth == 0)
            continue;
        for (size_t j = 0; j < handle->count; j++)
            if (is_within(top, handle->bases[j]) || is_within(handle->bases[j], top)) {
                handle_forget(handle, 0);
                break;
            }
    }
}

void directory_release(struct directory *directory) {
    for (size_t i = 0; i < directory->count; i++)
        close(directory->places[i].fd);
    free(directory->places);
    *directory = (struct directory){0};
}

bool is_opaque(int fd) {
    char value[2];
    return fgetxattr(fd, "user.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y';
}

bool is_whiteout(const struct stat *stat) {
    return S_ISCHR(stat->st_mode) && stat->st_rdev == makedev(0, 0);
}

static int add_place(struct directory *directory, size_t room, int fd, uint32_t layer) {
    if (!directory->places)
        directory->places = malloc(room * sizeof *directory->places);
    if (!directory->places) {
        close(fd);
        return -ENOMEM;
    }
    directory->places[directory->count++] = (struct place){.fd = fd, .layer = layer};
    return 0;
}

/* One layer's say: 1 go on below, 0 this was the last word, negative errno. */
static int find_in(const struct directory *directory, size_t index, const char *name, struct found *found) {
    const struct place *place = &directory->places[index];
    int fd = openat(place->fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd >= 0) {
        bool last = index + 1 == directory->count || is_opaque(fd);
        int result = add_place(&found->directory, directory->count - index, fd, place->layer);
        found->kind = FOUND_DIRECTORY;
        return result < 0 ? result : !last;
    }
    if (errno == ENOENT)
        return 1;
    if (errno != ENOTDIR && errno != ELOOP)
        return -errno;
    if (found->kind == FOUND_DIRECTORY)
        return 0;
    if (fstatat(place->fd, name, &found->stat, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT ? 1 : -errno;
    found->place = index;
    if (!is_whiteout(&found->stat))
        found->kind = FOUND_LEAF;
    return 0;
}

int directory_find(const struct directory *directory, size_t first, const char *name, struct found *found) {
    *found = (struct found){.kind = FOUND_NOTHING};
    int more = 1;
    for (size_t i = first; i < directory->count && more > 0; i++)
        more = find_in(directory, i, name, found);
    if (more < 0)
        directory_release(&found->directory);
    return more < 0 ? more : 0;
}
