#define _GNU_SOURCE
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/seal.h"
#include "base/status.h"
#include "base/syscalls.h"
#include "client/client.h"
#include "run.h"

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

/** The client's socket where the caller is the client; -1 else. */
static int served_client = -1;

bool start_is_served(char *const *arguments) {
    return arguments[1] && arguments[2] && strcmp(arguments[2], "served") == 0;
}

static int claim_client(char *const *arguments, struct failure *failure) {
    if (!start_is_served(arguments))
        return 0;
    if (peer_uid(CLIENT_FD) != geteuid() || fcntl(CLIENT_FD, F_SETFD, FD_CLOEXEC) < 0)
        return fail(failure, "plan", EBADF, "client on descriptor %d", CLIENT_FD);
    served_client = CLIENT_FD;
    return 0;
}

int start_prepare(char *const *arguments, enum plan_kind kind, struct plan *plan, struct failure *failure) {
    if (seal_self(arguments, failure) < 0)
        return -1;
    claim_status();
    if (claim_client(arguments, failure) < 0)
        return -1;
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    if (plan_read(PLAN_FD, kind, plan, failure) < 0)
        return -1;
    close(PLAN_FD);
    if (plan_read_data(DATA_FD, plan, failure) < 0)
        return -1;
    close(DATA_FD);
    const bool keep = served_client >= 0 || kind == PLAN_CREATE || kind == PLAN_ENTER;
    sys_close_range(keep ? CLIENT_FD + 1 : CLIENT_FD, PRESERVED_FD - 1, 0);
    sys_close_range(PRESERVED_FD + plan->preserved, ~0U, 0); /* what the caller had open is not to live as long as the container */
    if (served_client >= 0 && plan->mode != MODE_FOREGROUND)
        return fail(failure, "plan", EINVAL, "a client without mode foreground");
    return 0;
}

int start_refuse(const struct failure *failure) {
    char text[900];
    struct status status = {.fd = STATUS_FD, .prose = -1};
    status_error(&status, failure);
    failure_prose(failure, text, sizeof text);
    if (served_client >= 0) {
        client_refuse(served_client, failure->number, text, failure->code);
        return failure->code;
    }
    fprintf(stderr, "coracle: %s\n", text);
    return failure->code;
}

static void go_apart(void (*supervise)(const struct start_arguments *), struct start_arguments *arguments) {
    setsid();
    for (int i = 0; i < 3 && arguments->plan->log == LOG_PASSTHROUGH; i++)
        arguments->passed[i] = fcntl(i, F_DUPFD_CLOEXEC, 3);
    arguments->prose = arguments->client >= 0 ? fcntl(2, F_DUPFD_CLOEXEC, 3) : -1;
    if (null_stdio() == 0 && chdir("/") == 0)
        supervise(arguments);
    _exit(125);
}

static int detached(struct start_arguments *arguments, void (*supervise)(const struct start_arguments *), struct failure *failure) {
    int ends[2];
    unsigned char code = 125;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(failure, "supervisor", errno, "pipe");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        arguments->notify = ends[1];
        go_apart(supervise, arguments);
    }
    if (pid < 0)
        return fail(failure, "supervisor", errno, "fork");
    close(ends[1]);
    read_full(ends[0], &code, 1); /* the end without a byte: the supervisor died, 125 stays */
    return code;
}

static int foreground(struct start_arguments *arguments, void (*supervise)(const struct start_arguments *), struct failure *failure) {
    const struct plan *plan = arguments->plan;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "supervisor", errno, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        arguments->client = ends[1];
        go_apart(supervise, arguments);
    }
    if (pid < 0)
        return fail(failure, "supervisor", errno, "fork");
    close(ends[1]);
    close(STATUS_FD);
    struct client_options options = {.socket = ends[0], .detach_keys = plan->detach_keys, .tty = plan->tty, .direct = !plan->tty, .interactive = plan->stdin_mode != STDIN_CLOSED && !plan->output_only, .signal_proxy = plan->signal_proxy};
    return client_run(&options);
}

int start_apart(const struct plan *plan, void (*supervise)(const struct start_arguments *), void *context, struct failure *failure) {
    struct start_arguments arguments = {.plan = plan, .context = context, .notify = -1, .client = served_client, .prose = -1, .passed = {-1, -1, -1}};
    if (served_client >= 0)
        go_apart(supervise, &arguments);
    return plan->mode == MODE_DETACH ? detached(&arguments, supervise, failure) : foreground(&arguments, supervise, failure);
}
