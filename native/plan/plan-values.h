/* What the operations of a plan are made of: growing lists, words, paths. Private to plan-*.c. */
#ifndef CORACLE_PLAN_VALUES_H
#define CORACLE_PLAN_VALUES_H

#include "plan.h"

/** Room for one more item, zeroed; a NULL-sized spare item always follows, so string lists end with NULL. */
void *plan_grow(void **items, size_t *count, size_t size);
#define GROW(list) plan_grow((void **)&(list).items, &(list).count, sizeof *(list).items)

bool plan_add_string(struct strings *list, char *text);

/** Index of `text` among `count` names, or -1. */
int plan_choose(const char *text, const char *const *names, size_t count);
#define CHOOSE(text, ...) plan_choose(text, (const char *const[]){__VA_ARGS__}, N_ELEMENTS(((const char *const[]){__VA_ARGS__})))

/** Keeps the path; false for one that is not absolute. */
bool plan_absolute(const char **field, const char *path);

#endif
