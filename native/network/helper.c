#define _GNU_SOURCE
#include "helper.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/syscalls.h"

enum { REVIVE_DELAY_MS = 1000 };

/** Nobody on a shared network is to give others routes by announcing them. */
static void refuse_announcements(void) {
    write_file_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/all/accept_ra", "0");
    write_file_at(AT_FDCWD, "/proc/sys/net/ipv6/conf/default/accept_ra", "0");
}

static _Noreturn void send_namespace(int channel, bool with_netlink) {
    int fds[2] = {open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC), -1};
    if (with_netlink) {
        fds[1] = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        refuse_announcements();
    }
    bool made = fds[0] >= 0 && (!with_netlink || fds[1] >= 0);
    _exit(made && send_fds(channel, "n", 1, fds, with_netlink ? 2 : 1) == 1 ? 0 : 1);
}

/** A cannot make it itself: it could not come back to the host's network, where the helper belongs. */
static int netns_from_child(int user_namespace, int *netlink, struct failure *failure) {
    int ends[2], fds[2] = {-1, -1};
    size_t count = 2;
    char byte;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "network", errno, "socketpair");
    pid_t pid = sys_clone(user_namespace < 0 ? CLONE_NEWNET : 0, NULL);
    if (pid == 0 && user_namespace >= 0 && (setns(user_namespace, CLONE_NEWUSER) < 0 || unshare(CLONE_NEWNET) < 0))
        _exit(1);
    if (pid == 0)
        send_namespace(ends[1], netlink);
    int error = errno;
    close(ends[1]);
    if (pid > 0 && receive_fds(ends[0], &byte, 1, fds, &count, NULL) <= 0)
        error = EIO;
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    if (fds[0] < 0 || count != (netlink ? 2 : 1))
        return fail(failure, "network", error, "network namespace");
    if (netlink)
        *netlink = fds[1];
    return fds[0];
}

int netns_netlink(int netns) {
    int ends[2], made = -1;
    size_t count = 1;
    char byte;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = sys_clone(0, NULL);
    if (pid == 0) {
        int fd = setns(netns, CLONE_NEWNET) < 0 ? -1 : socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
        refuse_announcements();
        _exit(fd >= 0 && send_fds(ends[1], "n", 1, &fd, 1) == 1 ? 0 : 1);
    }
    close(ends[1]);
    if (pid > 0 && receive_fds(ends[0], &byte, 1, &made, &count, NULL) <= 0)
        made = -1;
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    errno = EIO;
    return made;
}

int netns_create(const char *path, int user_namespace, int *netlink, struct failure *failure) {
    auto_close int netns = netns_from_child(user_namespace, netlink, failure);
    if (netns < 0)
        return -1;
    /* A file, because newer pasta closes inherited descriptors before it opens the path. */
    auto_close int file = open(path, O_CREAT | O_EXCL | O_RDONLY | O_CLOEXEC, 0600);
    auto_close int tree = file < 0 ? -1 : sys_open_tree(netns, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    if (tree < 0 || sys_move_mount(tree, AT_FDCWD, path, 0) < 0)
        return fail(failure, "network", errno, "%s", path);
    return take_fd(&netns);
}

/** What passt's own start would exec next on such a processor: that start again costs milliseconds. Where it fails there is the plain program. */
static void exec_quicker(char *const *arguments, char *const *environment) {
#if defined(__x86_64__)
    char path[PATH_MAX];
    if (__builtin_cpu_supports("avx2") && snprintf(path, sizeof path, "%s.avx2", arguments[0]) < (int)sizeof path)
        execve(path, arguments, environment);
#else
    (void)arguments, (void)environment;
#endif
}

static _Noreturn void exec_helper(const struct plan *plan, const char *netns, bool slirp, int write_end) {
    char *arguments[PLAN_MAX_ARGUMENTS + 1] = {0}, number[12];
    char *const environment[] = {"PATH=/usr/bin:/usr/sbin:/bin:/sbin", NULL};
    snprintf(number, sizeof number, "%d", write_end);
    for (size_t i = 0; i < plan->net_arguments.count; i++) {
        char *argument = plan->net_arguments.items[i];
        arguments[i] = strcmp(argument, "@NETNS@") == 0 ? (char *)(uintptr_t)netns : strcmp(argument, "@READY@") == 0 ? number : argument;
    }
    reset_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (slirp ? set_inheritable(write_end) < 0 : dup2(write_end, 2) < 0)
        _exit(126);
    if (!slirp)
        exec_quicker(arguments, environment);
    execve(arguments[0], arguments, environment);
    dprintf(2, "%s: %s\n", arguments[0], strerror(errno));
    _exit(127);
}

/** Process 1 of a namespace that dies with A and takes the helper along; tells how the helper's first process ended, ends with the last. */
static _Noreturn void keep(const struct plan *plan, const char *netns, int write_end, int report) {
    int status;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    pid_t first = fork();
    if (first == 0)
        exec_helper(plan, netns, false, write_end);
    close(write_end);
    if (first < 0 || waitpid(first, &status, 0) != first)
        _exit(125);
    unsigned char code = (unsigned char)(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
    if (write_full(report, &code, 1) < 0)
        _exit(125);
    close(report);
    while (waitpid(-1, &status, 0) > 0)
        continue;
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

/**
 * pasta goes into the background by a fork, which no death signal follows. Where A is not process 1 of a namespace that would end it,
 * a keeper is; a child of A, as pasta itself would become.
 */
static _Noreturn void exec_kept(const struct plan *plan, const char *netns, int write_end) {
    struct clone_args arguments = {.flags = CLONE_NEWPID | CLONE_PARENT};
    unsigned char code = 125;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        _exit(125);
    long keeper = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (keeper == 0)
        keep(plan, netns, write_end, ends[1]);
    close(ends[1]);
    _exit(keeper > 0 && read(ends[0], &code, 1) == 1 ? code : 125);
}

int helper_start(struct helper *helper, const struct plan *plan, const char *netns, struct failure *failure) {
    int ends[2];
    if (!plan->net_helper)
        return 0;
    *helper = (struct helper){.slirp = strcmp(plan->net_helper, "slirp4netns") == 0, .ready_fd = -1};
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(failure, "network", errno, "pipe");
    helper->pid = fork();
    if (helper->pid == 0 && plan_shares(plan, PLAN_NS_PID) && !helper->slirp)
        exec_kept(plan, netns, ends[1]);
    if (helper->pid == 0)
        exec_helper(plan, netns, helper->slirp, ends[1]);
    int error = errno;
    close(ends[1]);
    helper->ready_fd = ends[0];
    if (helper->pid > 0)
        return set_nonblocking(ends[0]) < 0 ? fail(failure, "network", errno, "pipe") : 0;
    drop_fd(&helper->ready_fd);
    return fail(failure, "network", error, "fork");
}

static void declare_ready(struct helper *helper, int channel) {
    helper->ready = true;
    message_send(channel, &(struct message){.kind = MESSAGE_NETWORK}, NULL, 0);
}

static void helper_lost(struct helper *helper, int status, int channel) {
    struct failure failure = {0};
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    const char *name = helper->slirp ? "slirp4netns" : "pasta";
    helper->pid = 0;
    if (helper->ready) {
        helper->revive_at = monotonic_ms() + REVIVE_DELAY_MS;
        message_warn(channel, "network", 0, "%s ended with status %d and is started again", name, code);
        return;
    }
    helper_readable(helper, channel);
    helper->said[strcspn(helper->said, "\n")] = 0;
    fail(&failure, "network", 0, "%s ended with status %d%s%s", name, code, helper->said[0] ? ": " : "", helper->said);
    message_complain(channel, MESSAGE_FAILURE, &failure);
}

void helper_child_ended(struct helper *helper, pid_t pid, int status, int channel) {
    bool background = pid != helper->pid && helper->ready && !helper->slirp;
    if (pid == helper->pid && !helper->slirp && status == 0) {
        helper->pid = 0; /* pasta goes on in the background, where A inherits it */
        if (!helper->ready)
            declare_ready(helper, channel);
    } else if (pid == helper->pid || (background && helper->revive_at == 0)) {
        helper_lost(helper, status, channel);
    }
}

void helper_readable(struct helper *helper, int channel) {
    char text[256];
    ssize_t got = helper->ready_fd < 0 ? -1 : read(helper->ready_fd, text, sizeof text - 1);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            drop_fd(&helper->ready_fd);
        return;
    }
    text[got] = 0;
    if (helper->slirp && !helper->ready)
        declare_ready(helper, channel);
    else if (!helper->said[0])
        memcpy(helper->said, text, sizeof text);
}

int helper_delay(const struct helper *helper) {
    if (helper->revive_at == 0)
        return -1;
    int64_t left = helper->revive_at - monotonic_ms();
    return left < 0 ? 0 : (int)left;
}

void helper_revive(struct helper *helper, const struct plan *plan, const char *netns, int channel) {
    struct failure failure = {0};
    if (helper->revive_at == 0 || monotonic_ms() < helper->revive_at)
        return;
    drop_fd(&helper->ready_fd);
    if (helper_start(helper, plan, netns, &failure) < 0)
        message_complain(channel, MESSAGE_WARNING, &failure);
    helper->ready = true; /* S has its answer; a second failure only means another try */
}
