/* Programs of a bundle that run in the container's namespaces. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "base/syscalls.h"
#include "oci.h"

static _Noreturn void become_hook(const struct plan_hook *hook, int input) {
    char *const by_path[] = {(char *)(uintptr_t)hook->path, NULL}, *const nothing[] = {NULL};
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const int streams[] = {input, null < 0 ? 1 : null, null < 0 ? 2 : null};
    setsid();
    if (place_stdio(streams) < 0 || sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        _exit(126);
    reset_signals();
    execve(hook->path, hook->arguments.count > 0 ? hook->arguments.items : by_path, hook->environment.count > 0 ? hook->environment.items : nothing);
    _exit(errno == ENOENT ? 127 : 126);
}

static int await_hook(const struct plan_hook *hook, pid_t pid, int pidfd, struct failure *failure) {
    struct pollfd ended = {.fd = pidfd, .events = POLLIN};
    int status = 0, ready;
    do
        ready = poll(&ended, 1, hook->timeout > 0 ? (int)hook->timeout * 1000 : -1);
    while (ready < 0 && errno == EINTR);
    if (ready <= 0)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    if (ready <= 0)
        return fail(failure, "hook", ETIMEDOUT, "%s", hook->path);
    if (WIFSIGNALED(status))
        return fail(failure, "hook", 0, "%s: ended by signal %d", hook->path, WTERMSIG(status));
    return WEXITSTATUS(status) == 0 ? 0 : fail(failure, "hook", 0, "%s: exit code %d", hook->path, WEXITSTATUS(status));
}

static int run_hook(const struct plan_hook *hook, const char *state, struct failure *failure) {
    int input[2], pidfd = -1;
    if (pipe2(input, O_CLOEXEC) < 0)
        return fail(failure, "hook", errno, "%s", hook->path);
    pid_t pid = sys_clone(0, &pidfd);
    if (pid == 0)
        become_hook(hook, input[0]);
    close(input[0]);
    if (pid > 0)
        (void)!write_full(input[1], state, strlen(state)); /* a hook need not read it */
    close(input[1]);
    if (pid < 0)
        return fail(failure, "hook", errno, "%s", hook->path);
    int result = await_hook(hook, pid, pidfd, failure);
    close(pidfd);
    return result;
}

int hooks_run(const struct plan *plan, enum hook_kind kind, const char *status, struct failure *failure) {
    auto_free char *state = NULL;
    for (size_t i = 0; i < plan->hooks.count; i++) {
        if (plan->hooks.items[i].kind != kind)
            continue;
        if (!state && asprintf(&state, "%s\"status\":\"%s\",\"pid\":%d%s", plan->state_begin, status, (int)getpid(), plan->state_end) < 0)
            return fail(failure, "hook", ENOMEM, "state");
        if (run_hook(&plan->hooks.items[i], state, failure) < 0)
            return -1;
    }
    return 0;
}
