#define _GNU_SOURCE
#include "run.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#include "start.h"
#include "supervisor.h"

static void become_supervisor(const struct start_arguments *start) {
    struct supervisor_options options = {.plan = start->plan, .status_fd = STATUS_FD, .notify_fd = start->notify, .client_fd = start->client, .prose_fd = start->prose, .passed = {start->passed[0], start->passed[1], start->passed[2]}};
    _exit(supervisor_run(&options));
}

/** A builder's step: ends with its caller. */
static int run_child(const struct plan *plan, struct failure *failure) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return fail(failure, "supervisor", errno, "parent");
    if (chdir("/") < 0)
        return fail(failure, "supervisor", errno, "/");
    struct supervisor_options options = {.plan = plan, .status_fd = STATUS_FD, .notify_fd = -1, .client_fd = -1, .prose_fd = -1, .passed = {-1, -1, -1}};
    return supervisor_run(&options);
}

int run_main(int argc, char **argv) {
    struct plan plan = {0};
    struct failure failure = {0};
    (void)argc;
    if (start_prepare(argv, PLAN_RUN, &plan, &failure) < 0)
        return start_refuse(&failure);
    int code = plan.mode == MODE_CHILD ? run_child(&plan, &failure) : start_apart(&plan, become_supervisor, NULL, &failure);
    return code < 0 ? start_refuse(&failure) : code;
}
