#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "client.h"
#include "plan.h"
#include "seal.h"
#include "status.h"
#include "supervisor.h"

/** A caller may leave the status descriptor out; then its number must not go to something else of ours. */
static void claim_status(void) {
    if (fcntl(STATUS_FD, F_SETFD, FD_CLOEXEC) == 0)
        return;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (null >= 0 && null != STATUS_FD) {
        dup3(null, STATUS_FD, O_CLOEXEC);
        close(null);
    }
}

static int refuse(const struct failure *failure) {
    char text[900];
    struct status status = {.fd = STATUS_FD, .prose = -1};
    status_error(&status, failure);
    failure_text(failure, text, sizeof text);
    fprintf(stderr, "coracle: %s\n", text);
    return failure->code;
}

static _Noreturn void become_supervisor(const struct plan *plan, int notify, int client) {
    setsid();
    bool foreground = client >= 0;
    int prose = foreground ? fcntl(2, F_DUPFD_CLOEXEC, 3) : -1;
    if (null_stdio() < 0 || chdir("/") < 0)
        _exit(125);
    struct supervisor_options options = {.plan = plan, .status_fd = STATUS_FD, .notify_fd = notify, .client_fd = client, .prose_fd = prose};
    _exit(supervisor_run(&options));
}

static int run_detached(const struct plan *plan, struct failure *failure) {
    int ends[2];
    unsigned char code = 125;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(failure, "supervisor", errno, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become_supervisor(plan, ends[1], -1);
    }
    if (pid < 0)
        return fail(failure, "supervisor", errno, "fork");
    close(ends[1]);
    read_full(ends[0], &code, 1); /* the end without a byte: the supervisor died, 125 stays */
    return code;
}

static int run_foreground(const struct plan *plan, struct failure *failure) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "supervisor", errno, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        become_supervisor(plan, -1, ends[1]);
    }
    if (pid < 0)
        return fail(failure, "supervisor", errno, "fork");
    close(ends[1]);
    close(STATUS_FD);
    struct client_options options = {.socket = ends[0], .detach_keys = plan->detach_keys, .tty = plan->tty, .interactive = plan->stdin_mode != STDIN_CLOSED, .signal_proxy = plan->signal_proxy};
    return client_run(&options);
}

static int run_child(const struct plan *plan, struct failure *failure) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() == 1)
        return fail(failure, "supervisor", errno, "parent");
    if (chdir("/") < 0)
        return fail(failure, "supervisor", errno, "/");
    struct supervisor_options options = {.plan = plan, .status_fd = STATUS_FD, .notify_fd = -1, .client_fd = -1, .prose_fd = -1};
    return supervisor_run(&options);
}

int run_main(int argc, char **argv) {
    struct plan plan = {0};
    struct failure failure = {0};
    int code = -1;
    (void)argc;
    if (seal_self(argv, &failure) < 0)
        return refuse(&failure);
    claim_status();
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    if (plan_read(PLAN_FD, PLAN_RUN, &plan, &failure) == 0) {
        close(PLAN_FD);
        code = plan.mode == MODE_DETACH ? run_detached(&plan, &failure) : plan.mode == MODE_FOREGROUND ? run_foreground(&plan, &failure) : run_child(&plan, &failure);
    }
    if (code < 0)
        code = refuse(&failure);
    return code;
}
