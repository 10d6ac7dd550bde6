#define _GNU_SOURCE
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/syscalls.h"
#include "overlay.h"

int scratch_mount(const struct plan *plan, struct scratch *scratch, struct failure *failure) {
    if (asprintf(&scratch->directory, "%s/mnt", plan->directory) < 0 || asprintf(&scratch->root, "%s/mnt/root", plan->directory) < 0 ||
        asprintf(&scratch->netns, "%s/mnt/netns", plan->directory) < 0)
        return fail(failure, "scratch", ENOMEM, "paths");
    if (mount(NULL, "/", NULL, MS_REC | (plan->propagates ? MS_SLAVE : MS_PRIVATE), NULL) < 0)
        return fail(failure, "scratch", errno, "make / ours");
    if (mkdir(scratch->directory, 0700) < 0 && errno != EEXIST)
        return fail(failure, "scratch", errno, "%s", scratch->directory);
    /* Nobody comes here but A, what it starts, and the container's process before it has another root. */
    if (mount("coracle", scratch->directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, plan_is_inner(plan) ? "mode=0777,size=64k" : "mode=0700,size=64k") < 0)
        return fail(failure, "scratch", errno, "mount tmpfs %s", scratch->directory);
    return mkdir(scratch->root, 0755) < 0 ? fail(failure, "scratch", errno, "%s", scratch->root) : 0;
}

static struct overlay overlay_of(const struct plan *plan) {
    return (struct overlay){.layers = &plan->layers, .upper = plan->upper, .work = plan->work, .is_volatile = plan->is_volatile};
}

/** Runs in the child: its descriptors are the layers and nothing else. */
static _Noreturn void exec_fuse(const struct fuse_stack *stack) {
    char text[16384] = "";
    struct overlay_options options = {.text = text, .room = sizeof text, .prefix = "/proc/self/fd/", .flags = O_RDONLY};
    struct failure failure = {0};
    char *const environment[] = {NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || null_stdio() < 0 || sys_close_range(3, ~0U, 0) < 0 || overlay_append(&options, stack->overlay, &failure) < 0)
        _exit(126);
    if (stack->overlay->is_volatile)
        strcat(text, ",volatile");
    if (stack->options && strlen(text) + strlen(stack->options) + 2 > sizeof text)
        _exit(126);
    if (stack->options)
        strcat(strcat(text, ","), stack->options);
    char *const arguments[] = {(char *)(uintptr_t)stack->program, "-f", "-o", text, (char *)(uintptr_t)stack->target, NULL};
    reset_signals();
    execve(stack->program, arguments, environment);
    _exit(errno == ENOENT ? 127 : 126);
}

int root_await_fuse(pid_t server, const char *root, dev_t before, struct failure *failure) {
    for (int64_t deadline = monotonic_ms() + 20000; monotonic_ms() < deadline;) {
        struct stat now;
        int status;
        if (stat(root, &now) == 0 && now.st_dev != before)
            return 0;
        if (waitpid(server, &status, WNOHANG) == server)
            return fail(failure, "fuse", 0, "fuse-overlayfs ended with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return fail(failure, "fuse", ETIMEDOUT, "fuse-overlayfs");
}

int root_fuse(const struct fuse_stack *stack, pid_t *server, struct failure *failure) {
    struct stat before;
    if (access(stack->program, X_OK) < 0)
        return fail(failure, "fuse", errno, "%s", stack->program);
    if (access("/dev/fuse", R_OK | W_OK) < 0)
        return fail(failure, "fuse", errno, "/dev/fuse");
    if (stat(stack->target, &before) < 0)
        return fail(failure, "fuse", errno, "%s", stack->target);
    *server = fork();
    if (*server == 0)
        exec_fuse(stack);
    if (*server < 0)
        return fail(failure, "fuse", errno, "fork");
    return root_await_fuse(*server, stack->target, before.st_dev, failure);
}

int root_mount(const struct plan *plan, const struct scratch *scratch, pid_t *server, struct failure *failure) {
    *server = 0;
    if (plan->root == ROOT_DIR)
        return overlay_bind(plan->rootdir, scratch->root, MOUNT_ATTR_NODEV, failure);
    const struct overlay overlay = overlay_of(plan);
    const struct fuse_stack stack = {.program = plan->fuse_program, .options = plan->fuse_options, .overlay = &overlay, .target = scratch->root};
    if (plan->root == ROOT_FUSE)
        return root_fuse(&stack, server, failure);
    return overlay_mount(&overlay, scratch->root, failure);
}
