#define _GNU_SOURCE
#include "neighbour.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/syscalls.h"

/** The child's half: waits until it may go, becomes uid 0 there, ties its life to the parent's. */
static void become_root(int channel) {
    char byte;
    struct failure failure = {0};
    if (read_full(channel, &byte, 1) != 1)
        _exit(125);
    setgroups(0, NULL); /* EPERM where setgroups is denied */
    bool done = setresgid(0, 0, 0) == 0 && setresuid(0, 0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && prctl(PR_SET_DUMPABLE, 0) == 0;
    if (!done)
        fail(&failure, "userns", errno, "uid 0 of the other container");
    if (send(channel, &failure, sizeof failure, MSG_NOSIGNAL) < 0 || !done)
        _exit(125);
    close(channel);
}

/** setns needs a process that can be thrown away: it cannot come back. 0 in the new process, which is our parent's child. */
static int enter_and_clone(int user_namespace, uint64_t flags, int channel) {
    struct failure failure = {0};
    int pidfd = -1;
    struct clone_args arguments = {.flags = flags | CLONE_PARENT | CLONE_PIDFD, .pidfd = (uint64_t)(uintptr_t)&pidfd};
    if (setns(user_namespace, CLONE_NEWUSER) < 0)
        _exit(errno);
    pid_t pid = (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0)
        return 0;
    if (pid < 0)
        _exit(errno);
    failure.number = pid;
    _exit(send_fds(channel, &failure, sizeof failure, &pidfd, 1) < 0 ? EPIPE : 0);
}

int neighbour_begin(int user_namespace, uint64_t flags, struct neighbour *child, struct failure *failure) {
    int ends[2], status;
    struct failure told = {0};
    size_t count = 1;
    *child = (struct neighbour){.pidfd = -1, .channel = -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "userns", errno, "socketpair");
    pid_t helper = fork();
    if (helper == 0) {
        close(ends[0]);
        enter_and_clone(user_namespace, flags, ends[1]);
        become_root(ends[1]);
        return 0;
    }
    int error = errno;
    close(ends[1]);
    child->channel = ends[0];
    if (helper > 0) {
        while (waitpid(helper, &status, 0) < 0 && errno == EINTR)
            continue;
        error = WIFEXITED(status) ? WEXITSTATUS(status) : EPIPE;
    }
    if (helper < 0 || error != 0 || receive_fds(child->channel, &told, sizeof told, &child->pidfd, &count, NULL) != (ssize_t)sizeof told || count != 1) {
        drop_fd(&child->channel);
        return fail(failure, "userns", error, "user namespace of the other container");
    }
    child->pid = told.number;
    return 1;
}

int neighbour_finish(struct neighbour *child, struct failure *failure) {
    struct failure answer = {0};
    bool answered = send(child->channel, "", 1, MSG_NOSIGNAL) == 1 && recv(child->channel, &answer, sizeof answer, 0) == (ssize_t)sizeof answer;
    drop_fd(&child->channel);
    if (answered && !answer.stage)
        return 0;
    if (answered)
        *failure = answer; /* same program, same addresses: the stage's text is ours too */
    else
        fail(failure, "userns", EPIPE, "child died");
    sys_pidfd_signal(child->pidfd, SIGKILL);
    waitpid(child->pid, NULL, 0);
    drop_fd(&child->pidfd);
    return -1;
}
