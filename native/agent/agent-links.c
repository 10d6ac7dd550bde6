/* A hash table of files with several links: device and inode to the first name seen. */
#define _GNU_SOURCE
#include <string.h>

#include "agent.h"

struct link_slot {
    uint64_t device, inode;
    char *text;
};

static size_t slot_of(const struct links *links, uint64_t device, uint64_t inode) {
    size_t at = (size_t)((inode * 0x9e3779b97f4a7c15U) ^ (device * 31)) & (links->room - 1);
    while (links->slots[at].text && (links->slots[at].inode != inode || links->slots[at].device != device))
        at = (at + 1) & (links->room - 1);
    return at;
}

static bool grow(struct links *links) {
    struct links larger = {.room = links->room ? 2 * links->room : 64, .count = links->count};
    larger.slots = calloc(larger.room, sizeof *larger.slots);
    if (!larger.slots)
        return false;
    for (size_t i = 0; i < links->room; i++)
        if (links->slots[i].text)
            larger.slots[slot_of(&larger, links->slots[i].device, links->slots[i].inode)] = links->slots[i];
    free(links->slots);
    *links = larger;
    return true;
}

/* Without memory the file counts as new: a link becomes a copy, nothing is lost. */
const char *links_remember(struct links *links, const struct stat *stat, const char *text) {
    if (2 * links->count >= links->room && !grow(links))
        return NULL;
    struct link_slot *slot = &links->slots[slot_of(links, (uint64_t)stat->st_dev, (uint64_t)stat->st_ino)];
    if (slot->text)
        return slot->text;
    *slot = (struct link_slot){(uint64_t)stat->st_dev, (uint64_t)stat->st_ino, strdup(text)};
    links->count += slot->text != NULL;
    return NULL;
}

void links_release(struct links *links) {
    for (size_t i = 0; i < links->room; i++)
        free(links->slots[i].text);
    free(links->slots);
    *links = (struct links){0};
}
