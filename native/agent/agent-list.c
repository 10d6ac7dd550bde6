/* The names of a merged directory, each with the place that has the last word on it, sorted by bytes. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

enum { READ_SIZE = 32 << 10 };

/* linux_dirent64, as the kernel writes it. */
struct kernel_entry {
    uint64_t inode;
    int64_t offset;
    uint16_t length;
    uint8_t type;
    char name[];
};

struct growing {
    struct listing *listing;
    size_t item_room, arena_used, arena_room;
};

/* While the arena grows, names are kept as offsets. */
static int add_name(struct growing *growing, const char *name, uint8_t type, size_t place) {
    struct listing *listing = growing->listing;
    size_t size = strlen(name) + 1;
    if (listing->count == growing->item_room) {
        size_t room = growing->item_room ? 2 * growing->item_room : 64;
        struct listed *items = realloc(listing->items, room * sizeof *items);
        if (!items)
            return -ENOMEM;
        listing->items = items;
        growing->item_room = room;
    }
    if (growing->arena_used + size > growing->arena_room) {
        size_t room = 2 * growing->arena_room + 4096;
        char *arena = realloc(listing->arena, room);
        if (!arena)
            return -ENOMEM;
        listing->arena = arena;
        growing->arena_room = room;
    }
    memcpy(listing->arena + growing->arena_used, name, size);
    listing->items[listing->count++] = (struct listed){.name = (const char *)growing->arena_used, .place = place, .type = type};
    growing->arena_used += size;
    return 0;
}

static int read_place(struct growing *growing, int fd, size_t place) {
    _Alignas(struct kernel_entry) char buffer[READ_SIZE];
    ssize_t size;
    if (lseek(fd, 0, SEEK_SET) < 0)
        return -errno;
    while ((size = syscall(SYS_getdents64, fd, buffer, sizeof buffer)) > 0)
        for (char *at = buffer; at < buffer + size;) {
            const struct kernel_entry *entry = (const struct kernel_entry *)at;
            at += entry->length;
            if (!strcmp(entry->name, ".") || !strcmp(entry->name, ".."))
                continue;
            int result = add_name(growing, entry->name, entry->type, place);
            if (result < 0)
                return result;
        }
    /* ENOENT: it was removed since it was opened, and is as empty as it had to be for that. */
    return size < 0 && errno != ENOENT ? -errno : 0;
}

static int compare_items(const void *left, const void *right) {
    const struct listed *a = left, *b = right;
    int order = strcmp(a->name, b->name);
    return order ? order : (a->place > b->place) - (a->place < b->place);
}

static bool hides(const struct directory *directory, const struct listed *item) {
    struct stat stat;
    if (item->type != DT_CHR && item->type != DT_UNKNOWN)
        return false;
    return fstatat(directory->places[item->place].fd, item->name, &stat, AT_SYMLINK_NOFOLLOW) == 0 && is_whiteout(&stat);
}

/* Of equal names the topmost stays; whiteouts hide and are not seen. */
static void merge(const struct directory *directory, bool raw, struct listing *listing) {
    size_t kept = 0;
    for (size_t i = 0; i < listing->count;) {
        const struct listed first = listing->items[i];
        while (i < listing->count && !strcmp(listing->items[i].name, first.name))
            i++;
        if (raw || !hides(directory, &first))
            listing->items[kept++] = first;
    }
    listing->count = kept;
}

int listing_read(const struct directory *directory, bool raw, struct listing *listing) {
    struct growing growing = {.listing = listing};
    size_t places = raw ? 1 : directory->count;
    *listing = (struct listing){0};
    for (size_t i = 0; i < places; i++) {
        int result = read_place(&growing, directory->places[i].fd, i);
        if (result < 0) {
            listing_release(listing);
            return result;
        }
    }
    for (size_t i = 0; i < listing->count; i++)
        listing->items[i].name = listing->arena + (uintptr_t)listing->items[i].name;
    if (listing->count > 0)
        qsort(listing->items, listing->count, sizeof *listing->items, compare_items);
    merge(directory, raw, listing);
    return 0;
}

void listing_release(struct listing *listing) {
    free(listing->items);
    free(listing->arena);
    *listing = (struct listing){0};
}
