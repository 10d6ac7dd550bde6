#define _GNU_SOURCE
#include "cleaning.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "agent/agent.h"

int cleaning_run(const struct plan *plan, struct failure *failure) {
    for (size_t i = 0; i < plan->renames.count; i++) {
        const struct plan_rename *entry = &plan->renames.items[i];
        if (entry->unless && access(entry->unless, F_OK) == 0)
            continue;
        if (rename(entry->from, entry->to) < 0 && errno != ENOENT)
            fail(failure, "rename", errno, "%s", entry->from);
    }
    for (size_t i = 0; i < plan->removals.count; i++) {
        int result = remove_tree(AT_FDCWD, plan->removals.items[i]);
        if (result < 0 && result != -ENOENT)
            fail(failure, "remove", -result, "%s", plan->removals.items[i]);
    }
    return failure->stage ? -1 : 0;
}
