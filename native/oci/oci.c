#define _GNU_SOURCE
#include "oci.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/status.h"
#include "base/syscalls.h"
#include "container/userns.h"
#include "supervisor/exec.h"
#include "supervisor/record.h"
#include "supervisor/run.h"
#include "supervisor/start.h"

struct creator {
    struct plan plan;
    struct status status;
    struct filter filter;
    int gate, console, report, master;
    pid_t pid;
};

/** Where `start` knocks. Bound by descriptor: the path may be longer than an address has room for. */
static int open_gate(struct creator *creator, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    auto_close int directory = open(creator->plan.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/gate", directory);
    umask(077);
    creator->gate = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (directory < 0 || creator->gate < 0 || bind(creator->gate, (struct sockaddr *)&address, sizeof address) < 0 || listen(creator->gate, 1) < 0)
        return fail(failure, "socket", errno, "%s/gate", creator->plan.directory);
    return 0;
}

static uint64_t new_namespaces(const struct plan *plan) {
    static const uint64_t flags[PLAN_NS_COUNT] = {CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWNET};
    uint64_t wanted = CLONE_NEWNS;
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        if (!plan->ns_host[i] && !plan->ns_path[i])
            wanted |= flags[i];
    return wanted;
}

static _Noreturn void become_init(const struct creator *creator, int report) {
    const struct plan *plan = &creator->plan;
    struct scratch scratch = {.root = (char *)(uintptr_t)plan->rootdir};
    struct init_arguments arguments = {.plan = plan, .scratch = &scratch, .stdio = {0, 1, 2}, .report = report, .netns = -1, .filter = &creator->filter, .gate = creator->gate};
    /* Whoever reads or waits at the other end must not wait for as long as the container lives. */
    close(STATUS_FD);
    close(CLIENT_FD);
    if (creator->console >= 0)
        close(creator->console);
    init_main(&arguments);
}

static int spawn_init(struct creator *creator, struct failure *failure) {
    const struct plan *plan = &creator->plan;
    const bool own_user = plan->ids.how != ID_MAP_HOST;
    int ends[2];
    if (join_named(plan, failure) < 0 || (!own_user && read_own_ids(&creator->plan, failure) < 0))
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "clone", errno, "socketpair");
    creator->pid = own_user ? userns_clone(&plan->ids, new_namespaces(plan), NULL, failure) : sys_clone(new_namespaces(plan), NULL);
    if (creator->pid == 0) {
        close(ends[0]);
        become_init(creator, ends[1]);
    }
    int error = errno;
    close(ends[1]);
    creator->report = ends[0];
    if (creator->pid < 0 && !own_user)
        return fail(failure, "clone", error, "namespaces of the container");
    return creator->pid < 0 ? -1 : 0;
}

static int await_word(struct failure *failure) {
    char byte;
    return read_full(CLIENT_FD, &byte, 1) == 1 ? 0 : fail(failure, "init", ECANCELED, "the caller");
}

static int hold(struct creator *creator, struct failure *failure) {
    if (!creator->plan.hold)
        return 0;
    status_held(&creator->status, getpid());
    return await_word(failure);
}

/** The caller has done its part: it records who there is, and runs hooks. */
static int await_caller(struct creator *creator, struct failure *failure) {
    if (await_word(failure) < 0)
        return -1;
    return message_send(creator->report, &(struct message){.kind = MESSAGE_GO}, NULL, 0) < 0 ? fail(failure, "init", errno, "create") : 0;
}

/** Until `kind` comes: warnings go on, a failure is the end. A terminal that comes along is kept. */
static int await_message(struct creator *creator, enum message_kind kind, pid_t *sender, struct failure *failure) {
    for (;;) {
        struct message message;
        int fd = -1;
        size_t count = 1;
        int got = message_receive(creator->report, &message, &fd, &count, sender);
        if (got <= 0)
            return got < 0 || kind != MESSAGE_EXITED ? fail(failure, "init", got < 0 ? errno : 0, "it ended without a word") : 0;
        if (count == 1)
            creator->master = fd;
        if (message.kind == kind)
            return 0;
        if (message.kind == MESSAGE_WARNING)
            status_warning(&creator->status, &message.failure);
        if (message.kind == MESSAGE_FAILURE) {
            *failure = message.failure;
            return -1;
        }
    }
}

static int hand_on_terminal(struct creator *creator, struct failure *failure) {
    if (creator->console < 0 || creator->master < 0)
        return 0;
    int result = console_send(creator->console, creator->master, failure);
    drop_fd(&creator->master);
    drop_fd(&creator->console);
    return result;
}

static int create(struct creator *creator, struct failure *failure) {
    const struct plan *plan = &creator->plan;
    if (filter_read(plan->seccomp, &creator->filter, failure) < 0 || open_gate(creator, failure) < 0)
        return -1;
    if (plan->console && (creator->console = console_connect(plan->console, failure)) < 0)
        return -1;
    if (hold(creator, failure) < 0 || spawn_init(creator, failure) < 0)
        return -1;
    status_created(&creator->status, creator->pid);
    if (await_caller(creator, failure) < 0 || await_message(creator, MESSAGE_READY, NULL, failure) < 0 || hand_on_terminal(creator, failure) < 0)
        return -1;
    status_ready(&creator->status, creator->pid);
    return await_caller(creator, failure) < 0 ? -1 : await_message(creator, MESSAGE_LOOSE, NULL, failure);
}

static int give_up(struct creator *creator, const struct failure *failure) {
    if (creator->pid > 0) {
        kill(creator->pid, SIGKILL);
        waitpid(creator->pid, NULL, 0);
    }
    status_error(&creator->status, failure);
    return failure->code;
}

static int finish(struct creator *creator) {
    close(STATUS_FD);
    return creator->plan.mode == MODE_CHILD ? process_wait(creator->pid, creator->master) : 0;
}

static int prepare(char **argv, enum plan_kind kind, struct creator *creator, struct failure *failure) {
    *creator = (struct creator){.status = {.fd = STATUS_FD, .prose = -1}, .gate = -1, .console = -1, .report = -1, .master = -1};
    if (start_prepare(argv, kind, &creator->plan, failure) < 0)
        return -1;
    if (creator->plan.mode != MODE_DETACH && creator->plan.mode != MODE_CHILD)
        return fail(failure, "plan", EINVAL, "mode");
    return chdir("/") < 0 ? fail(failure, "plan", errno, "/") : 0;
}

int oci_create_main(int argc, char **argv) {
    struct creator creator;
    struct failure failure = {0};
    (void)argc;
    if (prepare(argv, PLAN_CREATE, &creator, &failure) < 0 || create(&creator, &failure) < 0)
        return give_up(&creator, &failure);
    return finish(&creator);
}

static bool is_same(const char *path, const struct stat *given) {
    struct stat own;
    return stat(path, &own) == 0 && own.st_ino == given->st_ino && own.st_dev == given->st_dev;
}

/** The namespaces of the container's process; -1 for each that we are in. */
static int open_target(const struct plan *plan, struct container_handles *container, struct failure *failure) {
    static const char *const names[NS_COUNT] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
    container->pidfd = sys_pidfd_open(plan->target);
    if (container->pidfd < 0 || record_start_ticks(plan->target) != plan->target_start)
        return fail(failure, "namespaces", ESRCH, "process %d", (int)plan->target);
    for (int i = 0; i < NS_COUNT; i++) {
        char path[64], own[40];
        struct stat status;
        snprintf(path, sizeof path, "/proc/%d/ns/%s", (int)plan->target, names[i]);
        snprintf(own, sizeof own, "/proc/self/ns/%s", names[i]);
        container->namespaces[i] = open(path, O_RDONLY | O_CLOEXEC);
        if (container->namespaces[i] < 0 || fstat(container->namespaces[i], &status) < 0)
            return fail(failure, "namespaces", errno, "%s", path);
        if (is_same(own, &status))
            drop_fd(&container->namespaces[i]);
    }
    /* The descriptors are those of that very process only if it is still there. */
    return record_start_ticks(plan->target) == plan->target_start ? 0 : fail(failure, "namespaces", ESRCH, "process %d", (int)plan->target);
}

static int enter(struct creator *creator, struct failure *failure) {
    const struct plan *plan = &creator->plan;
    struct container_handles container = {.pidfd = -1, .cgroup = -1};
    const int streams[] = {0, 1, 2}, on = 1;
    int ends[2];
    if (open_target(plan, &container, failure) < 0)
        return -1;
    if (plan->console && (creator->console = console_connect(plan->console, failure)) < 0)
        return -1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0 || setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0)
        return fail(failure, "exec", errno, "socketpair");
    creator->report = ends[0];
    if (hold(creator, failure) < 0 || join_spawn(plan, &container, streams, ends[1], failure) < 0)
        return -1;
    close(ends[1]);
    if (await_message(creator, MESSAGE_READY, &creator->pid, failure) < 0 || hand_on_terminal(creator, failure) < 0)
        return -1;
    status_ready(&creator->status, creator->pid);
    if (message_send(creator->report, &(struct message){.kind = MESSAGE_GO}, NULL, 0) < 0)
        return fail(failure, "exec", errno, "session");
    /* The end of the report: the program is executed. */
    if (await_message(creator, MESSAGE_EXITED, NULL, failure) < 0)
        return -1;
    status_started(&creator->status, creator->pid);
    return 0;
}

int oci_exec_main(int argc, char **argv) {
    struct creator creator;
    struct failure failure = {0};
    (void)argc;
    if (prepare(argv, PLAN_ENTER, &creator, &failure) < 0 || enter(&creator, &failure) < 0)
        return give_up(&creator, &failure);
    return finish(&creator);
}
