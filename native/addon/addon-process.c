/* Starting and reaping processes without libuv: no thread pool, no event loop, no closing by guess. */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

enum { MAXIMUM_FDS = 32, FIRST_TEMPORARY = 64 };

struct descriptors {
    size_t count;
    int child[MAXIMUM_FDS];
    int parent[MAXIMUM_FDS];
};

struct start {
    const char *path;
    char **argv;
    char **environment;
    const char *directory;
    bool session;
    int death_signal;
    struct descriptors fds;
};

static bool read_pair(napi_env env, napi_value pair, int *child, int *parent)
{
    napi_value value;
    int64_t numbers[2];
    for (uint32_t i = 0; i < 2; i++)
        if (napi_get_element(env, pair, i, &value) != napi_ok || !addon_int(env, value, &numbers[i]))
            return false;
    *child = (int)numbers[0];
    *parent = (int)numbers[1];
    return true;
}

static bool read_descriptors(napi_env env, napi_value list, struct descriptors *fds)
{
    uint32_t count;
    napi_valuetype type;
    if (napi_typeof(env, list, &type) == napi_ok && type == napi_undefined)
        return true;
    if (napi_get_array_length(env, list, &count) != napi_ok || count > MAXIMUM_FDS) {
        napi_throw_type_error(env, "ERR_INVALID_ARG_VALUE", "call native function: fds is not a list of at most 32 pairs");
        return false;
    }
    for (uint32_t i = 0; i < count; i++) {
        napi_value pair;
        if (napi_get_element(env, list, i, &pair) != napi_ok || !read_pair(env, pair, &fds->child[i], &fds->parent[i]))
            return false;
        fds->count++;
    }
    return true;
}

/*
 * Puts every parent descriptor at its child number. All go to temporary numbers first, so that no
 * target overwrites a source that is still needed. Async-signal-safe: runs between vfork and execve.
 */
static int place_descriptors(struct descriptors *fds)
{
    for (size_t i = 0; i < fds->count; i++)
        if ((fds->parent[i] = fcntl(fds->parent[i], F_DUPFD_CLOEXEC, FIRST_TEMPORARY)) < 0)
            return -1;
    for (size_t i = 0; i < fds->count; i++)
        if (dup2(fds->parent[i], fds->child[i]) < 0)
            return -1;
    return 0;
}

/* Node ignores SIGPIPE and installs handlers; a new program starts with the defaults. */
static void default_signals(void)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    for (int number = 1; number < 65; number++)
        if (number != SIGKILL && number != SIGSTOP)
            sigaction(number, &action, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static int fill_standard_streams(const struct descriptors *fds)
{
    for (int number = 0; number < 3; number++) {
        bool named = false;
        for (size_t i = 0; i < fds->count; i++)
            named = named || fds->child[i] == number;
        if (named)
            continue;
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0 || (null != number && dup2(null, number) < 0) || fcntl(number, F_SETFD, 0) < 0)
            return -1;
        if (null > 2)
            close(null);
    }
    return 0;
}

/* In the child of vfork: shares the parent's memory, so only system calls and its own stack. Returns on failure only. */
static int become_child(struct start *start)
{
    struct descriptors fds = start->fds;
    if (start->death_signal && prctl(PR_SET_PDEATHSIG, start->death_signal) < 0)
        return errno;
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0 || place_descriptors(&fds) < 0 ||
        fill_standard_streams(&fds) < 0)
        return errno;
    if (start->session && setsid() < 0)
        return errno;
    if (start->directory && chdir(start->directory) < 0)
        return errno;
    default_signals();
    execve(start->path, start->argv, start->environment);
    return errno;
}

static pid_t start_process(struct start *start)
{
    volatile int failure = 0;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pid_t pid = vfork();
    if (pid == 0) {
        failure = become_child(start);
        _exit(127);
    }
    int reason = pid < 0 ? errno : failure;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pid > 0 && reason)
        waitpid(pid, NULL, 0);
    errno = reason;
    return reason ? -1 : pid;
}

static bool option(napi_env env, napi_value options, const char *name, napi_value *value)
{
    napi_valuetype type;
    if (napi_typeof(env, options, &type) != napi_ok)
        return false;
    if (type == napi_undefined) {
        *value = options;
        return true;
    }
    return napi_get_named_property(env, options, name, value) == napi_ok;
}

static bool read_options(napi_env env, napi_value options, struct start *start, char **directory)
{
    napi_value value;
    napi_valuetype type;
    int64_t signal = 0;
    if (!option(env, options, "fds", &value) || !read_descriptors(env, value, &start->fds) ||
        !option(env, options, "setsid", &value) || !addon_flag(env, value, &start->session) ||
        !option(env, options, "cwd", &value) || napi_typeof(env, value, &type) != napi_ok)
        return false;
    if (type != napi_undefined && !(*directory = addon_string(env, value)))
        return false;
    start->directory = *directory;
    if (!option(env, options, "deathSignal", &value) || napi_typeof(env, value, &type) != napi_ok ||
        (type != napi_undefined && !addon_int(env, value, &signal)))
        return false;
    start->death_signal = (int)signal;
    return true;
}

napi_value addon_spawn(napi_env env, napi_callback_info info)
{
    napi_value args[4];
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *directory = NULL;
    __attribute__((cleanup(addon_free_strings))) char **argv = NULL;
    __attribute__((cleanup(addon_free_strings))) char **environment = NULL;
    struct start start = {0};
    if (!addon_arguments(env, info, args, 4) || !(path = addon_string(env, args[0])) ||
        !(argv = addon_strings(env, args[1])) || !(environment = addon_strings(env, args[2])) ||
        !read_options(env, args[3], &start, &directory))
        return NULL;
    start.path = path;
    start.argv = argv;
    start.environment = environment;
    pid_t pid = start_process(&start);
    return pid < 0 ? addon_throw(env, "execve") : addon_number(env, pid);
}

/* Node marks its standard streams close-on-exec at start; the next program keeps them. */
static void keep_standard_streams(void)
{
    for (int fd = 0; fd < 3; fd++)
        fcntl(fd, F_SETFD, 0);
}

napi_value addon_execve(napi_env env, napi_callback_info info)
{
    napi_value args[4];
    CLEANUP_FREE char *path = NULL;
    __attribute__((cleanup(addon_free_strings))) char **argv = NULL;
    __attribute__((cleanup(addon_free_strings))) char **environment = NULL;
    struct descriptors fds = {0};
    if (!addon_arguments(env, info, args, 4) || !(path = addon_string(env, args[0])) ||
        !(argv = addon_strings(env, args[1])) || !(environment = addon_strings(env, args[2])) ||
        !read_descriptors(env, args[3], &fds))
        return NULL;
    /* After the descriptors moved there is no way back: the usual mistake is found before. */
    if (access(path, X_OK) < 0)
        return addon_throw(env, "execve");
    if (syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC) < 0 || place_descriptors(&fds) < 0)
        return addon_throw(env, "dup2");
    keep_standard_streams();
    default_signals();
    execve(path, argv, environment);
    return addon_throw(env, "execve");
}

static napi_value exit_status(napi_env env, int status)
{
    napi_value result;
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (napi_create_object(env, &result) != napi_ok ||
        napi_set_named_property(env, result, "code", addon_number(env, code)) != napi_ok ||
        napi_set_named_property(env, result, "signal", addon_number(env, signal)) != napi_ok)
        return NULL;
    return result;
}

napi_value addon_waitpid(napi_env env, napi_callback_info info)
{
    napi_value args[2], null;
    int64_t pid;
    bool nohang;
    int status;
    if (!addon_arguments(env, info, args, 2) || !addon_int(env, args[0], &pid) || !addon_flag(env, args[1], &nohang))
        return NULL;
    pid_t done;
    while ((done = waitpid((pid_t)pid, &status, nohang ? WNOHANG : 0)) < 0 && errno == EINTR)
        continue;
    if (done < 0)
        return addon_throw(env, "waitpid");
    if (done > 0)
        return exit_status(env, status);
    return napi_get_null(env, &null) == napi_ok ? null : NULL;
}
