/* The agent in a running container: its namespaces entered, its root cloned, then jailed like any other agent.
 *
 * The container's processes see nothing of it: it has a mount namespace of its own and is in none of their pid namespaces. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "agent.h"
#include "supervisor/exec.h"

static int enter(const struct container_handles *container, struct failure *failure) {
    if (setns(container->namespaces[NS_USER], CLONE_NEWUSER) < 0 || setns(container->namespaces[NS_MOUNT], CLONE_NEWNS) < 0)
        return fail(failure, "namespaces", errno, "setns");
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fail(failure, "namespaces", errno, "uid 0");
    /* Joining made us dumpable. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "namespaces", errno, "mount namespace");
    return 0;
}

/* What the kernel makes up is no file of the container. Only this namespace loses it. */
static void forget_kernel_files(void) {
    static const char *const places[] = {"/proc", "/sys", "/dev"};
    for (size_t i = 0; i < N_ELEMENTS(places); i++)
        umount2(places[i], MNT_DETACH | UMOUNT_NOFOLLOW);
}

static int open_inside(const struct plan *plan, const struct container_handles *container, int *root, struct failure *failure) {
    const struct plan_root whole = {.path = "/", .writable = true};
    if (enter(container, failure) < 0)
        return -1;
    if (plan->container_mounts)
        forget_kernel_files();
    *root = agent_clone_root(&whole, plan->container_mounts ? AT_RECURSIVE : 0, failure);
    return *root < 0 ? -1 : agent_leave_mounts(failure);
}

pid_t agent_join(const struct plan *plan, int *root, bool *single_id, struct failure *failure) {
    struct container_handles container = {.pidfd = -1, .cgroup = -1};
    if (container_ask(plan->container, ASKER_FILES, &container, failure) < 0)
        return -1;
    *single_id = container.single_id;
    pid_t pid = fork();
    if (pid < 0)
        fail(failure, "clone", errno, "fork");
    if (pid == 0 && open_inside(plan, &container, root, failure) < 0)
        *root = -1;
    container_forget(&container);
    return pid;
}
