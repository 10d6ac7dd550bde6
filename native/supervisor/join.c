#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/syscalls.h"
#include "container/process.h"
#include "container/terminal.h"
#include "exec.h"
#include "units.h"

struct joining {
    const struct container_handles *container;
    struct process process;
    struct terminal terminal;
    int root;
};

/** The user namespace first: it gives the rights to enter the others. The mount namespace late, because paths change with it. */
static int enter_namespaces(struct joining *joining, struct failure *failure) {
    static const struct {
        enum namespace_fd index;
        int type;
    } order[] = {
        {NS_USER, CLONE_NEWUSER}, {NS_IPC, CLONE_NEWIPC}, {NS_UTS, CLONE_NEWUTS},     {NS_NET, CLONE_NEWNET},
        {NS_PID, CLONE_NEWPID},   {NS_MOUNT, CLONE_NEWNS}, {NS_CGROUP, CLONE_NEWCGROUP},
    };
    for (size_t i = 0; i < N_ELEMENTS(order); i++) {
        /* A namespace shared with the host is not ours to enter, and we are in it already. */
        if (joining->container->namespaces[order[i].index] < 0)
            continue; /* we are in it */
        bool shared = setns(joining->container->namespaces[order[i].index], order[i].type) < 0;
        if (shared && (errno != EPERM || order[i].index == NS_USER || order[i].index == NS_MOUNT))
            return fail(failure, "namespaces", errno, "setns %d", (int)order[i].index);
    }
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fail(failure, "namespaces", errno, "uid 0");
    /* Joining made us dumpable by uid 0 of the container: closed again before any process of it can see us. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0)
        return fail(failure, "namespaces", errno, "dumpable");
    joining->root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return joining->root < 0 ? fail(failure, "namespaces", errno, "/") : 0;
}

static int prepare_process(struct joining *joining, struct failure *failure) {
    const struct plan *plan = joining->process.plan;
    struct process *process = &joining->process;
    if (identity_resolve(joining->root, plan->user, &plan->groups, NULL, &process->identity, failure) < 0 || process_environment(process, failure) < 0 ||
        process_enter_cwd(joining->root, plan->cwd, CWD_FOUND, failure) < 0)
        return -1;
    if (!plan->tty)
        return 0;
    if (terminal_open(joining->root, plan->rows, plan->columns, process->identity.uid, &joining->terminal, failure) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        process->stdio[i] = joining->terminal.peer;
    return 0;
}

/** Runs inside the pid namespace: says who it is, gives the terminal away, becomes the process. */
static _Noreturn void run_inside(struct joining *joining) {
    struct message message = {.kind = MESSAGE_READY};
    struct failure failure = {0};
    size_t none = 0;
    if (message_send(joining->process.report, &message, &joining->terminal.master, joining->process.plan->tty ? 1 : 0) < 0 ||
        message_receive(joining->process.report, &message, NULL, &none, NULL) != 1) {
        fail(&failure, "exec", ECANCELED, "session");
        message_complain(joining->process.report, MESSAGE_FAILURE, &failure);
        _exit(125);
    }
    if (joining->terminal.master >= 0)
        close(joining->terminal.master);
    process_start(&joining->process);
}

/** No memory is also what the kernel has for a pid namespace whose first process has ended. */
static void fail_clone(const struct container_handles *container, struct failure *failure) {
    struct pollfd first = {.fd = container->pidfd, .events = POLLIN};
    const int error = errno;
    if (error == ENOMEM && poll(&first, 1, 0) == 1)
        container_ended(failure);
    else
        fail(failure, "clone", error, "process in the container");
}

static _Noreturn void join(struct joining *joining) {
    struct failure failure = {0};
    const struct plan *plan = joining->process.plan;
    if (filter_read(plan->seccomp, &joining->process.filter, &failure) == 0 && enter_namespaces(joining, &failure) == 0 && prepare_process(joining, &failure) == 0) {
        /* Our parent's child, not ours: we are about to end, and it wants to wait for it. */
        struct clone_args arguments = {.flags = CLONE_PARENT};
        long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
        if (pid == 0)
            run_inside(joining);
        if (pid > 0)
            _exit(0);
        fail_clone(joining->container, &failure);
    }
    message_complain(joining->process.report, MESSAGE_FAILURE, &failure);
    _exit(failure.code);
}

/** Born in the container's cgroup, whose limits hold for it. From outside of the scope nobody gets there but by systemd. */
static pid_t clone_into(const struct container_handles *container, struct failure *failure) {
    const pid_t self = getpid();
    struct units units;
    pid_t pid = sys_clone_into(0, container->cgroup);
    if (pid >= 0 || container->cgroup < 0 || !container->unit || (errno != EACCES && errno != ENOENT))
        return pid;
    int result = units_open(&units, &container->manager, failure);
    if (result == 0)
        result = units_attach(&units, container->unit, "/supervisor", &self, 1, failure);
    units_close(&units);
    return result < 0 ? -1 : sys_clone_into(0, container->cgroup);
}

int join_spawn(const struct plan *plan, const struct container_handles *container, const int stdio[3], int report, struct failure *failure) {
    struct joining joining = {.container = container, .process = {.plan = plan, .report = report, .tied = plan->kind == PLAN_EXEC}, .terminal = {-1, -1}, .root = -1};
    memcpy(joining.process.stdio, stdio, sizeof joining.process.stdio);
    pid_t pid = clone_into(container, failure);
    if (pid == 0)
        join(&joining);
    if (pid < 0)
        return failure->stage ? -1 : fail(failure, "clone", errno, "process of the container's cgroup");
    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        continue;
    return 0; /* a failure comes on the report socket */
}
