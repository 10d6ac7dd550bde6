#define _GNU_SOURCE
#include "holder.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/syscalls.h"
#include "container/kernel.h"
#include "container/userns.h"
#include "helper.h"

/** Instead of the domain of a socket: let packets be forwarded, also those of IPv6. */
enum { ASK_FORWARD = -1, ASK_FORWARD6 = -2 };

struct ask {
    int domain, type, protocol;
};

/** Of IPv4, only what comes from where its source is: answers would go to containers of another network. */
static int allow_forwarding(void) {
    /* Bridged packets are no business of the rules for forwarded ones. Neither file is there unless its module is. */
    write_file_at(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-iptables", "0");
    write_file_at(AT_FDCWD, "/proc/sys/net/bridge/bridge-nf-call-ip6tables", "0");
    if (write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/conf/all/rp_filter", "1") < 0)
        return -1;
    return write_file_at(AT_FDCWD, "/proc/sys/net/ipv4/ip_forward", "1");
}

/** Lives in the network namespace, where nobody else of us is. */
static _Noreturn void serve_sockets(int netns, int channel) {
    struct ask ask;
    struct failure failure = {0};
    prctl(PR_SET_NAME, "coracle-sockets");
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || setns(netns, CLONE_NEWNET) < 0 || kernel_loopback_up(&failure) < 0)
        _exit(125);
    sys_close_range(channel > 3 ? 3 : 4, channel > 3 ? (unsigned)channel - 1 : ~0U, 0);
    sys_close_range((unsigned)channel + 1, ~0U, 0);
    while (recv(channel, &ask, sizeof ask, 0) == (ssize_t)sizeof ask) {
        int error = 0;
        auto_close int made = -1;
        if (ask.domain == ASK_FORWARD)
            error = allow_forwarding() < 0 ? errno : 0;
        else if (ask.domain == ASK_FORWARD6)
            error = write_file_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/forwarding", "1") < 0 ? errno : 0;
        else if ((made = socket(ask.domain, ask.type | SOCK_CLOEXEC, ask.protocol)) < 0)
            error = errno;
        if (send_fds(channel, &error, sizeof error, &made, made >= 0 ? 1 : 0) < 0)
            break;
    }
    _exit(0);
}

struct hold {
    const struct plan *plan;
    int channel, signals;
    char path[4096];
    pid_t sockets;
    struct helper helper;
};

static int set_up(struct hold *hold, int factory, struct failure *failure) {
    sigset_t signals;
    sigfillset(&signals);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    prctl(PR_SET_NAME, "coracle-nets");
    if (null_stdio() < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "network", errno, "mounts of the holder");
    if (mount("coracle", hold->plan->directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=64k") < 0)
        return fail(failure, "network", errno, "mount tmpfs %s", hold->plan->directory);
    snprintf(hold->path, sizeof hold->path, "%s/n", hold->plan->directory);
    auto_close int netns = netns_create(hold->path, -1, NULL, failure);
    if (netns < 0)
        return -1;
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    if ((hold->signals = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK)) < 0)
        return fail(failure, "network", errno, "signalfd");
    hold->sockets = fork();
    if (hold->sockets == 0)
        serve_sockets(netns, factory);
    return hold->sockets < 0 ? fail(failure, "network", errno, "fork") : 0;
}

static void reap(struct hold *hold) {
    struct signalfd_siginfo drained[8];
    int status;
    while (read(hold->signals, drained, sizeof drained) > 0)
        continue;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
        if (pid == hold->sockets)
            _exit(125); /* without it nothing can be changed any more */
        helper_child_ended(&hold->helper, pid, status, hold->channel);
    }
}

static void serve(struct hold *hold) {
    struct message message;
    struct failure failure = {0};
    size_t none = 0;
    if (message_receive(hold->channel, &message, NULL, &none, NULL) <= 0)
        _exit(0);
    if (message.kind == MESSAGE_SPAWN && helper_start(&hold->helper, hold->plan, hold->path, &failure) < 0)
        message_complain(hold->channel, MESSAGE_FAILURE, &failure);
}

static _Noreturn void hold_networks(const struct plan *plan, int channel, int factory) {
    struct hold hold = {.plan = plan, .channel = channel, .helper = {.ready_fd = -1}};
    struct failure failure = {0};
    if (set_up(&hold, factory, &failure) < 0) {
        message_complain(channel, MESSAGE_FAILURE, &failure);
        _exit(125);
    }
    close(factory);
    for (;;) {
        struct pollfd watched[3] = {{channel, POLLIN, 0}, {hold.signals, POLLIN, 0}, {hold.helper.ready_fd, POLLIN, 0}};
        if (poll(watched, 3, helper_delay(&hold.helper)) < 0 && errno != EINTR)
            _exit(125);
        if (watched[1].revents)
            reap(&hold);
        if (watched[2].revents)
            helper_readable(&hold.helper, channel);
        helper_revive(&hold.helper, plan, hold.path, channel);
        if (watched[0].revents)
            serve(&hold);
    }
}

/** Everything above the standard streams but these two. */
static void keep_only(int first, int second) {
    int low = first < second ? first : second, high = first < second ? second : first;
    if (low > 3)
        sys_close_range(3, (unsigned)low - 1, 0);
    if (high > low + 1)
        sys_close_range((unsigned)low + 1, (unsigned)high - 1, 0);
    sys_close_range((unsigned)high + 1, ~0U, 0);
}

int holder_start(const struct plan *plan, struct holder *holder, struct failure *failure) {
    int channel[2], factory[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, channel) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, factory) < 0)
        return fail(failure, "network", errno, "socketpair");
    pid_t pid = userns_clone(&plan->ids, CLONE_NEWNS | CLONE_NEWPID, NULL, failure);
    if (pid == 0) {
        keep_only(channel[1], factory[1]);
        hold_networks(plan, channel[1], factory[1]);
    }
    close(channel[1]);
    close(factory[1]);
    *holder = (struct holder){.pid = pid, .channel = channel[0], .factory = factory[0]};
    return pid < 0 ? -1 : 0;
}

static int ask_holder(const struct holder *holder, const struct ask *ask, int *made) {
    int error = 0;
    size_t count = made ? 1 : 0;
    if (send(holder->factory, ask, sizeof *ask, MSG_NOSIGNAL) < 0)
        return -1;
    if (receive_fds(holder->factory, &error, sizeof error, made, &count, NULL) != (ssize_t)sizeof error)
        error = EPIPE;
    errno = error;
    return error == 0 ? 0 : -1;
}

int holder_socket(const struct holder *holder, int domain, int type, int protocol) {
    int made = -1;
    return ask_holder(holder, &(struct ask){domain, type, protocol}, &made) < 0 ? -1 : made;
}

int holder_forward(const struct holder *holder, int family) {
    return ask_holder(holder, &(struct ask){.domain = family == AF_INET6 ? ASK_FORWARD6 : ASK_FORWARD}, NULL);
}
