#define _GNU_SOURCE
#include "infra.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/syscalls.h"
#include "emulator.h"
#include "files/cleaning.h"
#include "files/root.h"
#include "files/shared.h"
#include "files/stacks.h"
#include "init.h"
#include "inner.h"
#include "network/forward.h"
#include "network/helper.h"
#include "processes.h"

struct infra {
    const struct infra_arguments *given;
    const struct plan *plan;
    int channel;
    int signals;
    struct scratch scratch;
    pid_t init, fuse, forwarder;
    struct stacks stacks;
    struct helper helper;
    int netns;
    /** The container's user namespace, -1 where it is A's. */
    int inner;
    /** Its mount, -1 without one. */
    int emulator;
    int64_t forwarder_since;
};

enum { FORWARDER_STEADY_MS = 1000 };

static void give_up(const struct infra *infra, const struct failure *failure) {
    message_complain(infra->channel, MESSAGE_FAILURE, failure);
    _exit(failure->code);
}

/** Everything S had open but the channel and the listeners: its lock above all, which lives as long as any copy of it. */
static int close_others(const struct infra_arguments *given, struct failure *failure) {
    auto_free int *keep = calloc(given->listener_count + 3 + PLAN_NS_COUNT, sizeof *keep);
    size_t count = 0;
    if (!keep)
        return fail(failure, "infra", ENOMEM, "descriptors");
    keep[count++] = given->channel;
    if (given->neighbour_mounts >= 0)
        keep[count++] = given->neighbour_mounts;
    if (given->inner >= 0)
        keep[count++] = given->inner;
    for (size_t i = 0; i < PLAN_NS_COUNT; i++)
        if (given->joined[i] >= 0)
            keep[count++] = given->joined[i];
    for (size_t i = 0; i < given->listener_count; i++)
        keep[count++] = given->listeners[i];
    for (size_t i = 1; i < count; i++)
        for (size_t k = i; k > 0 && keep[k] < keep[k - 1]; k--) {
            int swapped = keep[k];
            keep[k] = keep[k - 1];
            keep[k - 1] = swapped;
        }
    unsigned next = 3;
    for (size_t i = 0; i < count; next = (unsigned)keep[i++] + 1)
        if ((unsigned)keep[i] > next)
            sys_close_range(next, (unsigned)keep[i] - 1, 0);
    sys_close_range(next, ~0U, 0);
    return null_stdio() < 0 ? fail(failure, "infra", errno, "/dev/null") : 0;
}

static int start_forwarder(struct infra *infra, struct failure *failure) {
    if (infra->given->listener_count == 0)
        return 0;
    infra->forwarder = fork();
    if (infra->forwarder < 0)
        return fail(failure, "publish", errno, "fork");
    if (infra->forwarder > 0) {
        infra->forwarder_since = monotonic_ms();
        return 0;
    }
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        _exit(125);
    close(infra->channel);
    close(infra->signals);
    _exit(forward_main(infra->plan, infra->given->listeners, infra->given->listener_count, infra->netns));
}

/** The listeners are still ours: what waits in them is not lost. One that dies at once would only die again. */
static void forwarder_ended(struct infra *infra, int status) {
    struct failure failure = {0};
    infra->forwarder = 0;
    if (monotonic_ms() - infra->forwarder_since < FORWARDER_STEADY_MS) {
        fail(&failure, "publish", 0, "the port forwarder ended at once, with status %d", status);
        message_complain(infra->channel, MESSAGE_FAILURE, &failure);
        return;
    }
    message_warn(infra->channel, "publish", 0, "the port forwarder ended with status %d and is started again", status);
    if (start_forwarder(infra, &failure) < 0)
        message_complain(infra->channel, MESSAGE_FAILURE, &failure);
}

/** S has it put on user-defined networks meanwhile. */
static int make_network(struct infra *infra, struct failure *failure) {
    const struct plan *plan = infra->plan;
    bool own = plan->net_helper || plan->holder_directory || infra->given->listener_count > 0;
    auto_close int netlink = -1;
    if (!own || infra->netns >= 0 || plan->ns_host[PLAN_NS_NET])
        return 0;
    if ((infra->netns = netns_create(infra->scratch.netns, infra->inner, plan->holder_directory ? &netlink : NULL, failure)) < 0)
        return -1;
    if (!plan->holder_directory)
        return 0;
    const int fds[2] = {infra->netns, netlink};
    return message_send(infra->channel, &(struct message){.kind = MESSAGE_NETNS}, fds, 2) < 0 ? fail(failure, "infra", errno, "channel") : 0;
}

/** For a container that is put on user-defined networks while it runs. Where the network is not of our making, others set it up. */
static void answer_netns(const struct infra *infra) {
    bool own = infra->netns >= 0 && infra->given->joined[PLAN_NS_NET] < 0;
    auto_close int netlink = own ? netns_netlink(infra->netns) : -1;
    const struct message answer = {.kind = MESSAGE_NETNS, .value = own ? EIO : ENOENT};
    const int fds[2] = {infra->netns, netlink};
    message_send(infra->channel, &answer, fds, netlink >= 0 ? 2 : 0);
}

static int set_up(struct infra *infra, struct failure *failure) {
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    if (close_others(infra->given, failure) < 0)
        return -1;
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* matters where we are no pid 1 */
    prctl(PR_SET_NAME, "coracle-infra");
    sigset_t children;
    sigemptyset(&children);
    sigaddset(&children, SIGCHLD);
    if ((infra->signals = signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return fail(failure, "infra", errno, "signalfd");
    if (emulator_register(infra->plan, &infra->emulator, failure) < 0 || scratch_mount(infra->plan, &infra->scratch, failure) < 0)
        return -1;
    if (plan_is_inner(infra->plan) && infra->inner < 0 && (infra->inner = inner_make(&infra->plan->ids, failure)) < 0)
        return -1;
    if (make_network(infra, failure) < 0)
        return -1;
    if (helper_start(&infra->helper, infra->plan, infra->scratch.netns, failure) < 0)
        return -1;
    if (root_mount(infra->plan, &infra->scratch, &infra->fuse, failure) < 0)
        return -1;
    if (infra->given->neighbour_mounts >= 0 && shared_mount(infra->plan, infra->given->neighbour_mounts, &infra->scratch, failure) < 0)
        return -1;
    if (stacks_mount(infra->plan, &infra->scratch, &infra->stacks, failure) < 0)
        return -1;
    if (infra->inner >= 0 && inner_prepare(infra->plan, &infra->scratch, failure) < 0)
        return -1;
    return start_forwarder(infra, failure);
}

/** New namespaces of I; those shared with the host stay A's, which are the host's; those of other containers are entered. */
static uint64_t init_namespaces(const struct infra *infra) {
    static const uint64_t flags[PLAN_NS_COUNT] = {CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWNET};
    uint64_t wanted = CLONE_NEWNS;
    for (size_t i = 0; i < PLAN_NS_COUNT; i++)
        if (!plan_shares(infra->plan, i) && !(i == PLAN_NS_NET && infra->netns >= 0))
            wanted |= flags[i];
    return wanted;
}

/** Runs in a process that can be thrown away, as it could not come back. 0 in I, which is A's child. */
static void enter_and_clone(const struct infra *infra, int cgroup, int answer) {
    const int pid_namespace = infra->given->joined[PLAN_NS_PID];
    if ((infra->inner >= 0 && setns(infra->inner, CLONE_NEWUSER) < 0) || (pid_namespace >= 0 && setns(pid_namespace, CLONE_NEWPID) < 0))
        _exit(errno);
    pid_t pid = sys_clone_into(init_namespaces(infra) | CLONE_PARENT, cgroup);
    if (pid == 0)
        return;
    _exit(pid < 0 ? errno : write_full(answer, &pid, sizeof pid) < 0 ? EPIPE : 0);
}

/** A pid namespace is entered by those who are born after, and whoever enters a user namespace owns what is made from then on. */
static pid_t clone_inside(const struct infra *infra, int cgroup) {
    int ends[2], status;
    pid_t pid = -1;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return -1;
    pid_t helper = fork();
    if (helper == 0) {
        enter_and_clone(infra, cgroup, ends[1]);
        return 0;
    }
    close(ends[1]);
    while (helper > 0 && waitpid(helper, &status, 0) < 0 && errno == EINTR)
        continue;
    bool made = helper > 0 && read_full(ends[0], &pid, sizeof pid) == (ssize_t)sizeof pid;
    close(ends[0]);
    errno = helper > 0 && WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EAGAIN;
    return made ? pid : -1;
}

/** Born in the cgroup, its cgroup namespace begins there. */
static pid_t clone_init(const struct infra *infra, int cgroup) {
    return infra->given->joined[PLAN_NS_PID] >= 0 || infra->inner >= 0 ? clone_inside(infra, cgroup) : sys_clone_into(init_namespaces(infra), cgroup);
}

static void spawn(struct infra *infra, const int fds[5], size_t count) {
    struct failure failure = {0};
    if (count >= 4)
        infra->init = clone_init(infra, count == 5 ? fds[4] : -1);
    if (count < 4 || infra->init < 0) {
        fail(&failure, "clone", errno, "namespaces of the container");
        message_complain(infra->channel, MESSAGE_FAILURE, &failure);
    }
    if (count >= 4 && infra->init == 0) {
        if (count == 5)
            close(fds[4]);
        close(infra->channel);
        close(infra->signals);
        drop_fd(&infra->emulator);
        for (size_t i = 0; i < infra->given->listener_count; i++)
            close(infra->given->listeners[i]);
        struct init_arguments arguments = {.plan = infra->plan, .scratch = &infra->scratch, .stdio = {fds[0], fds[1], fds[2]}, .report = fds[3], .netns = infra->netns, .joined = infra->given->joined};
        init_main(&arguments);
    }
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
}

static void answer_processes(struct infra *infra, pid_t first, int pid_namespace) {
    struct message answer = {.kind = MESSAGE_FOUND};
    pid_t *pids = NULL;
    ssize_t count = processes_find(pid_namespace, first, &pids);
    auto_close int list = memfd_create("processes", MFD_CLOEXEC);
    if (count < 0 || list < 0 || write_full(list, pids, (size_t)count * sizeof *pids) < 0)
        answer.value = errno;
    message_send(infra->channel, &answer, &list, answer.value == 0 ? 1 : 0);
    free(pids);
}

static void freeze(struct infra *infra, int value, int pid_namespace) {
    struct message answer = {.kind = MESSAGE_FROZEN};
    if (processes_freeze(pid_namespace, value < 0 ? -value : value, value > 0) < 0)
        answer.value = errno;
    message_send(infra->channel, &answer, NULL, 0);
}

static void serve_channel(struct infra *infra) {
    struct message message;
    struct failure failure = {0};
    int fds[5];
    size_t count = N_ELEMENTS(fds);
    int got = message_receive(infra->channel, &message, fds, &count, NULL);
    if (got <= 0)
        _exit(0);
    if (message.kind == MESSAGE_SPAWN)
        spawn(infra, fds, count);
    if (message.kind == MESSAGE_NETNS)
        answer_netns(infra);
    if (message.kind == MESSAGE_SWEEP && count == 1) {
        processes_kill(fds[0]);
        drop_fd(&fds[0]);
    }
    if (message.kind == MESSAGE_PROCESSES || message.kind == MESSAGE_FREEZE) {
        int pid_namespace = count == 1 ? fds[0] : -1;
        message.kind == MESSAGE_PROCESSES ? answer_processes(infra, message.value, pid_namespace) : freeze(infra, message.value, pid_namespace);
        drop_fd(&pid_namespace);
    }
    if (message.kind == MESSAGE_CLEAN) {
        umount2(infra->scratch.directory, MNT_DETACH); /* a mount point could not be removed */
        if (cleaning_run(infra->plan, &failure) < 0)
            message_complain(infra->channel, MESSAGE_WARNING, &failure);
        message_send(infra->channel, &(struct message){.kind = MESSAGE_CLEANED}, NULL, 0);
    }
}

static void child_ended(struct infra *infra, pid_t pid, int status) {
    struct failure failure = {0};
    if (pid == infra->init) {
        infra->init = 0;
        message_send(infra->channel, &(struct message){.kind = MESSAGE_EXITED, .value = status}, NULL, 0);
    } else if (pid == infra->fuse || stacks_lost(infra->plan, &infra->stacks, pid)) {
        infra->fuse = pid == infra->fuse ? 0 : infra->fuse;
        fail(&failure, "fuse", EIO, "fuse-overlayfs ended while the container ran");
        message_complain(infra->channel, MESSAGE_FAILURE, &failure);
    } else if (pid == infra->forwarder) {
        forwarder_ended(infra, status);
    } else {
        helper_child_ended(&infra->helper, pid, status, infra->channel);
    }
}

static void reap(struct infra *infra) {
    struct signalfd_siginfo drained[8];
    while (read(infra->signals, drained, sizeof drained) > 0)
        continue;
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        child_ended(infra, pid, status);
}

_Noreturn void infra_main(const struct infra_arguments *arguments) {
    struct infra infra = {.given = arguments, .plan = arguments->plan, .channel = arguments->channel, .signals = -1, .inner = arguments->inner, .netns = arguments->joined[PLAN_NS_NET], .emulator = -1};
    struct failure failure = {0};
    infra.helper.ready_fd = -1;
    if (set_up(&infra, &failure) < 0)
        give_up(&infra, &failure);
    if (!infra.plan->net_helper && !infra.plan->holder_directory)
        message_send(infra.channel, &(struct message){.kind = MESSAGE_NETWORK}, NULL, 0);
    for (;;) {
        struct pollfd watched[3] = {{infra.channel, POLLIN, 0}, {infra.signals, POLLIN, 0}, {infra.helper.ready_fd, POLLIN, 0}};
        if (poll(watched, 3, helper_delay(&infra.helper)) < 0 && errno != EINTR)
            _exit(125);
        if (watched[1].revents)
            reap(&infra);
        if (watched[2].revents)
            helper_readable(&infra.helper, infra.channel);
        helper_revive(&infra.helper, infra.plan, infra.scratch.netns, infra.channel);
        if (watched[0].revents)
            serve_channel(&infra);
    }
}
