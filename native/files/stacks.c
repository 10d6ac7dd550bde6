#define _GNU_SOURCE
#include "stacks.h"

#include <errno.h>

#include "mounts.h"
#include "overlay.h"

static int mount_one(const struct plan *plan, size_t index, const struct scratch *scratch, pid_t *server, struct failure *failure) {
    const struct plan_mount *mount = &plan->mounts.items[index];
    auto_free char *path = NULL;
    if (scratch_directory(scratch, "tree", index, &path, failure) < 0)
        return -1;
    if (plan->root != ROOT_FUSE)
        return stack_mount(mount, path, failure);
    const struct overlay overlay = {.layers = &mount->layers, .upper = mount->upper, .work = mount->work, .is_volatile = !mount->durable && mount->upper};
    const struct fuse_stack stack = {.program = plan->fuse_program, .options = mount->shown ? plan->fuse_options : NULL, .overlay = &overlay, .target = path};
    return root_fuse(&stack, server, failure);
}

int stacks_mount(const struct plan *plan, const struct scratch *scratch, struct stacks *stacks, struct failure *failure) {
    if (!stacks_are_of_infra(plan))
        return 0;
    stacks->servers = calloc(plan->mounts.count + 1, sizeof *stacks->servers);
    if (!stacks->servers)
        return fail(failure, "mount", ENOMEM, "stacks");
    for (size_t i = 0; i < plan->mounts.count; i++)
        if (plan->mounts.items[i].kind == MOUNT_OVERLAY && mount_one(plan, i, scratch, &stacks->servers[i], failure) < 0)
            return -1;
    return 0;
}

bool stacks_lost(const struct plan *plan, struct stacks *stacks, pid_t pid) {
    for (size_t i = 0; stacks->servers && i < plan->mounts.count; i++)
        if (stacks->servers[i] == pid) {
            stacks->servers[i] = 0;
            return true;
        }
    return false;
}
