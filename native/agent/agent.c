/* `coracle-sv agent`: starts the file agent in its own namespaces and waits for it. */
#define _GNU_SOURCE
#include "agent.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/status.h"
#include "base/syscalls.h"
#include "container/userns.h"

enum { EXIT_NOT_RUNNING = 124, EXIT_BROKEN = 125, PIPE_SIZE = 1 << 20, MEMORY_FD = 4 };

/** What is shared with the client, if anything. */
struct memory {
    unsigned char *bytes;
    size_t size;
};

static int complain(const struct failure *failure) {
    const char *reason = failure->number == EMFILE ? "too many open files" : failure->number ? strerror(failure->number) : "";
    if (strcmp(failure->stage, "connect") == 0 && failure->number == 0) {
        char text[900];
        failure_text(failure, text, sizeof text);
        dprintf(STDERR_FILENO, "coracle: %s\n", text);
        return EXIT_NOT_RUNNING;
    }
    dprintf(STDERR_FILENO, "coracle: start file agent: %s: %s%s%s\n", failure->stage, failure->object, failure->number ? ": " : "", reason);
    return EXIT_BROKEN;
}

/* Without it the pipe's size is what it is: only speed depends on it. */
static void grow_pipes(void) {
    fcntl(STDIN_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
    fcntl(STDOUT_FILENO, F_SETPIPE_SZ, PIPE_SIZE);
}

/* Sealed: what could become shorter would be a signal at a read into it. The descriptor is closed with all others. */
static int map_memory(uint64_t size, struct memory *memory, struct failure *failure) {
    struct stat stat;
    *memory = (struct memory){0};
    if (size == 0)
        return 0;
    int seals = fcntl(MEMORY_FD, F_GET_SEALS);
    if (seals < 0 || fstat(MEMORY_FD, &stat) < 0)
        return fail(failure, "memory", errno, "descriptor %d", MEMORY_FD);
    if (!(seals & F_SEAL_SHRINK) || (uint64_t)stat.st_size < size)
        return fail(failure, "memory", 0, "not sealed, or not of the size of the plan");
    void *bytes = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, MEMORY_FD, 0);
    if (bytes == MAP_FAILED)
        return fail(failure, "memory", errno, "mmap");
    *memory = (struct memory){bytes, (size_t)size};
    return 0;
}

static int serve(const struct plan *plan, const struct memory *memory, const int *roots, bool single_id) {
    struct agent agent;
    int result = agent_create(&agent, single_id, STDOUT_FILENO);
    agent.memory = memory->bytes;
    agent.memory_size = memory->size;
    if (plan->container && result >= 0)
        result = agent_add_root(&agent, roots[0], true);
    for (size_t i = 0; result >= 0 && i < plan->roots.count; i++)
        result = agent_add_root(&agent, roots[i], plan->roots.items[i].writable);
    if (result >= 0)
        result = agent_serve(&agent, STDIN_FILENO);
    agent_destroy(&agent);
    return result < 0 ? EXIT_BROKEN : 0;
}

static int run_inside(const struct plan *plan, const struct memory *memory) {
    struct failure failure = {0};
    auto_free int *roots = calloc(plan->roots.count + 1, sizeof *roots);
    umask(0);
    signal(SIGPIPE, SIG_IGN);
    if (!roots)
        return EXIT_BROKEN;
    if (agent_enter_jail(plan, roots, &failure) < 0 || agent_confine(&failure) < 0)
        return complain(&failure);
    return serve(plan, memory, roots, plan->ids.how == ID_MAP_SINGLE);
}

static int run_joined(const struct plan *plan, const struct memory *memory, int root, bool single_id, struct failure *failure) {
    umask(0);
    signal(SIGPIPE, SIG_IGN);
    if (root < 0 || agent_confine(failure) < 0)
        return complain(failure);
    return serve(plan, memory, &root, single_id);
}

/* What a person types at the terminal is for the client: it may still need us to clean up, and when it ends, so do we. */
static void leave_signals_to_client(void) {
    static const int typed[] = {SIGINT, SIGQUIT, SIGHUP, SIGTSTP};
    for (size_t i = 0; i < N_ELEMENTS(typed); i++)
        signal(typed[i], SIG_IGN);
}

int agent_main(int plan_fd) {
    struct plan plan;
    struct memory memory;
    struct failure failure = {0};
    pid_t pid = -1;
    int status;
    leave_signals_to_client();
    if (plan_read(plan_fd, PLAN_AGENT, &plan, &failure) < 0 || map_memory(plan.memory, &memory, &failure) < 0)
        return complain(&failure);
    sys_close_range(3, ~0U, 0);
    grow_pipes();
    int root = -1;
    bool single_id = false;
    if (prctl(PR_SET_DUMPABLE, 0) == 0)
        pid = plan.container ? agent_join(&plan, &root, &single_id, &failure) : userns_clone(&plan.ids, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS, NULL, &failure);
    if (pid == 0)
        _exit(plan.container ? run_joined(&plan, &memory, root, single_id, &failure) : run_inside(&plan, &memory));
    if (pid < 0)
        return complain(&failure);
    close(STDIN_FILENO);
    close(STDOUT_FILENO);
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return EXIT_BROKEN;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
