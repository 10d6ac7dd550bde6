#define _GNU_SOURCE
#include "plan-values.h"

#include <stdlib.h>
#include <string.h>

void *plan_grow(void **items, size_t *count, size_t size) {
    bool full = (*count & (*count + 1)) == 0; /* 0, 1, 3, 7 ...: the next power of two is needed */
    if (full) {
        void *larger = realloc(*items, 2 * (*count + 1) * size);
        if (!larger)
            return NULL;
        *items = larger;
    }
    char *item = (char *)*items + *count * size;
    memset(item, 0, 2 * size);
    *count += 1;
    return item;
}

bool plan_add_string(struct strings *list, char *text) {
    char **item = GROW(*list);
    if (item)
        *item = text;
    return item;
}

int plan_choose(const char *text, const char *const *names, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (names[i] && strcmp(text, names[i]) == 0)
            return (int)i;
    return -1;
}

bool plan_absolute(const char **field, const char *path) {
    *field = path;
    return path[0] == '/';
}
