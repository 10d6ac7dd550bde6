#define _GNU_SOURCE
#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/syscalls.h"
#include "execute.h"
#include "files/paths.h"
#include "supervisor/run.h"

int process_environment(struct process *process, struct failure *failure) {
    const struct strings *given = &process->plan->environment;
    const struct plan *plan = process->plan;
    char **environment = calloc(given->count + plan->secrets.count + 2, sizeof *environment);
    if (!environment)
        return fail(failure, "env", ENOMEM, "%zu entries", given->count);
    bool has_home = false;
    for (size_t i = 0; i < given->count; i++) {
        environment[i] = given->items[i];
        has_home = has_home || strncmp(given->items[i], "HOME=", 5) == 0;
    }
    size_t count = given->count;
    for (size_t i = 0; i < plan->secrets.count; i++) {
        const struct plan_secret *secret = &plan->secrets.items[i];
        if (asprintf(&environment[count++], "%s=%.*s", secret->name, (int)secret->data.size, plan->data + secret->data.offset) < 0)
            return fail(failure, "env", ENOMEM, "%s", secret->name);
        has_home = has_home || strcmp(secret->name, "HOME") == 0;
    }
    process->environment = environment;
    if (plan->home_env && !has_home && asprintf(&environment[count], "HOME=%s", process->identity.home) < 0)
        return fail(failure, "env", ENOMEM, "HOME");
    return 0;
}

int process_enter_cwd(int root, const char *cwd, enum cwd_rule rule, struct failure *failure) {
    char seen[PATH_MAX];
    cwd = cwd ? cwd : "/";
    auto_close int directory = rule == CWD_MADE ? path_create(root, cwd, PATH_IN_ROOT, PATH_DIRECTORY) : path_open(root, cwd, PATH_IN_ROOT);
    if (directory < 0 || fchdir(directory) < 0) {
        if (rule == CWD_FOUND)
            failure->code = errno == ENOENT ? 127 : 126;
        return fail(failure, "cwd", errno, "%s", cwd);
    }
    /* A directory outside the root shows as "(unreachable)". */
    if (!getcwd(seen, sizeof seen) || seen[0] != '/')
        return fail(failure, "cwd", errno ? errno : EPERM, "%s is outside", cwd);
    return 0;
}

static _Noreturn void give_up(const struct process *process, const struct failure *failure) {
    message_complain(process->report, MESSAGE_FAILURE, failure);
    _exit(failure->code);
}

static int start_session(const struct process *process, struct failure *failure) {
    setsid(); /* EPERM for a process that leads a session already */
    if (process->plan->tty && ioctl(process->stdio[0], TIOCSCTTY, 0) < 0)
        return fail(failure, "tty", errno, "controlling terminal");
    /* A keyring of its own: else keys of the user's session would be in reach. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS)
        message_warn(process->report, "keyring", errno, "session keyring");
    umask((mode_t)process->plan->umask);
    return place_stdio(process->stdio) < 0 ? fail(failure, "stdio", errno, "standard streams") : 0;
}

/** What was preserved goes to 3 and on, open for the program; the report makes room for it. */
static int place_preserved(struct process *process, struct failure *failure) {
    const int count = (int)process->plan->preserved;
    int report = count > 0 ? fcntl(process->report, F_DUPFD_CLOEXEC, PRESERVED_FD + count) : 0;
    if (report < 0)
        return fail(failure, "stdio", errno, "report");
    if (count > 0)
        process->report = report;
    for (int i = 0; i < count; i++)
        if (dup2(PRESERVED_FD + i, 3 + i) < 0)
            return fail(failure, "stdio", errno, "descriptor %d", 3 + i);
    return 0;
}

static int prepare(struct process *process, struct failure *failure) {
    if (start_session(process, failure) < 0 || limits_apply(process->plan, process->report, failure) < 0)
        return -1;
    if (sys_close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
        return fail(failure, "stdio", errno, "close_range");
    if (place_preserved(process, failure) < 0)
        return -1;
    if (privileges_drop(process->plan, &process->identity, &process->filter, failure) < 0)
        return -1;
    /* Last, because a change of ids clears it. */
    return prctl(PR_SET_PDEATHSIG, process->tied ? SIGKILL : 0) < 0 ? fail(failure, "exec", errno, "death signal") : 0;
}

_Noreturn void process_start(const struct process *process) {
    struct failure failure = {0};
    struct process own = *process;
    if (prepare(&own, &failure) == 0) {
        reset_signals();
        execute(own.plan->arguments.items, own.environment, &failure);
    }
    give_up(&own, &failure);
}

/** Waits for everything that ends here; returns the process's exit code once it is among them. */
static int reap(pid_t process) {
    for (int status;;) {
        pid_t ended = waitpid(-1, &status, WNOHANG);
        if (ended <= 0)
            return -1;
        if (ended == process)
            return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

_Noreturn void process_start_with_reaper(const struct process *process) {
    struct failure failure = {0};
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    pid_t child = fork();
    if (child == 0)
        process_start(process);
    if (child < 0) {
        fail(&failure, "init", errno, "fork");
        give_up(process, &failure);
    }
    sys_close_range(0, ~0U, 0);
    for (;;) {
        int code = reap(child);
        if (code >= 0)
            _exit(code);
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        if (number > 0 && number != SIGCHLD)
            kill(child, number);
    }
}

/** Nothing is executed: it is there for what it holds, reaps what is left to it, and ends when it is asked to. */
_Noreturn void process_pause(const struct process *process) {
    struct failure failure = {0};
    struct process own = *process;
    sigset_t all;
    if (prepare(&own, &failure) < 0)
        give_up(&own, &failure);
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    sys_close_range(0, ~0U, 0); /* the report's end tells that it has started */
    for (;;) {
        siginfo_t info;
        int number = sigwaitinfo(&all, &info);
        while (waitpid(-1, NULL, WNOHANG) > 0)
            continue;
        if (number == SIGTERM || number == SIGINT)
            _exit(0);
    }
}
