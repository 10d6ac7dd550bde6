#define _GNU_SOURCE
#include "cleaning.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "agent.h"

int cleaning_run(const struct plan *plan, struct failure *failure) {
    for (size_t i = 0; i < plan->renames.count; i++)
        if (rename(plan->renames.items[i].from, plan->renames.items[i].to) < 0 && errno != ENOENT)
            fail(failure, "rename", errno, "%s", plan->renames.items[i].from);
    for (size_t i = 0; i < plan->removals.count; i++) {
        int result = remove_tree(AT_FDCWD, plan->removals.items[i]);
        if (result < 0 && result != -ENOENT)
            fail(failure, "remove", -result, "%s", plan->removals.items[i]);
    }
    return failure->stage ? -1 : 0;
}
