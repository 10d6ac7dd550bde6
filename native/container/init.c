#define _GNU_SOURCE
#include "init.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "accounts.h"
#include "base/message.h"
#include "base/syscalls.h"
#include "execute.h"
#include "files/mounts.h"
#include "files/paths.h"
#include "inner.h"
#include "kernel.h"
#include "oci/oci.h"
#include "process.h"
#include "terminal.h"

/** Everything the steps hand on to each other. */
struct container {
    const struct init_arguments *given;
    const struct plan *plan;
    struct mount_sources sources;
    struct process process;
    struct terminal terminal;
    int namespaces[NS_COUNT];
    int pidfd;
    int root;
};

static int tie_to_parent(struct container *container, struct failure *failure) {
    (void)container;
    prctl(PR_SET_NAME, "coracle-init");
    umask(022); /* S is closed to others; mount points and directories that are made here are for every user of the container */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 ? fail(failure, "init", errno, "death signal") : 0;
}

/** The pid namespace is that of our birth. */
static int enter_joined(struct container *container, struct failure *failure) {
    static const int types[PLAN_NS_COUNT] = {[PLAN_NS_IPC] = CLONE_NEWIPC, [PLAN_NS_UTS] = CLONE_NEWUTS, [PLAN_NS_CGROUP] = CLONE_NEWCGROUP};
    for (size_t i = 0; i < PLAN_NS_COUNT; i++)
        if (types[i] && container->given->joined[i] >= 0 && setns(container->given->joined[i], types[i]) < 0)
            return fail(failure, "namespaces", errno, "setns %x", (unsigned)types[i]);
    return 0;
}

static int enter_network(struct container *container, struct failure *failure) {
    if (container->given->netns >= 0 && setns(container->given->netns, CLONE_NEWNET) < 0)
        return fail(failure, "network", errno, "setns");
    const struct plan *plan = container->plan;
    return plan_shares(plan, PLAN_NS_NET) || plan->ns_path[PLAN_NS_NET] ? 0 : kernel_loopback_up(failure);
}

/** Our own descriptors, because nobody else may open them: I is not dumpable. */
static int open_namespaces(struct container *container, struct failure *failure) {
    static const char *const names[NS_COUNT] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};
    for (size_t i = 0; i < NS_COUNT; i++) {
        char path[40];
        snprintf(path, sizeof path, "/proc/self/ns/%s", names[i]);
        if ((container->namespaces[i] = open(path, O_RDONLY | O_CLOEXEC)) < 0)
            return fail(failure, "namespaces", errno, "%s", path);
    }
    container->pidfd = sys_pidfd_open(getpid());
    return container->pidfd < 0 ? fail(failure, "namespaces", errno, "pidfd_open") : 0;
}

/**
 * What the host has is opened with the caller's rights, what is new is root's of the container. The scratch file system stays within
 * reach meanwhile, by its descriptor: the directories above it are the caller's alone.
 */
static int open_as_root(struct container *container, struct failure *failure) {
    struct scratch scratch = *container->given->scratch;
    char path[32];
    auto_close int directory = open(scratch.directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (directory < 0)
        return fail(failure, "scratch", errno, "%s", scratch.directory);
    snprintf(path, sizeof path, "/proc/self/fd/%d", directory);
    if ((container->root = inner_claim_root(&scratch, failure)) < 0 || inner_become_root(&container->plan->ids, failure) < 0)
        return -1;
    scratch.directory = path;
    return mounts_open_new(container->plan, &scratch, &container->sources, failure);
}

static int open_sources(struct container *container, struct failure *failure) {
    if (container->given->filter)
        container->process.filter = *container->given->filter;
    else if (filter_read(container->plan->seccomp, &container->process.filter, failure) < 0)
        return -1;
    if (mounts_open_trees(container->plan, container->given->scratch, &container->sources, failure) < 0)
        return -1;
    return plan_is_inner(container->plan) ? open_as_root(container, failure) : mounts_open_new(container->plan, container->given->scratch, &container->sources, failure);
}

static int configure_kernel(struct container *container, struct failure *failure) {
    const char *hostname = container->plan->hostname;
    if (hostname && !plan_shares(container->plan, PLAN_NS_UTS) && sethostname(hostname, strlen(hostname)) < 0)
        return fail(failure, "hostname", errno, "%s", hostname);
    const char *domain = container->plan->domainname;
    if (domain && setdomainname(domain, strlen(domain)) < 0)
        return fail(failure, "hostname", errno, "%s", domain);
    return kernel_configure(container->plan, container->sources.proc, container->given->report, failure);
}

static int pivot(struct container *container, struct failure *failure) {
    const char *path = container->given->scratch->root;
    auto_close int old = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_close int root = container->root >= 0 ? take_fd(&container->root) : open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (old < 0 || root < 0 || fchdir(root) < 0)
        return fail(failure, "pivot", errno, "%s", path);
    if (syscall(SYS_pivot_root, ".", ".") < 0)
        return fail(failure, "pivot", errno, "pivot_root %s", path);
    if (fchdir(old) < 0 || mount(NULL, ".", NULL, MS_REC | MS_SLAVE, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
        return fail(failure, "pivot", errno, "leave the old root");
    if (chdir("/") < 0)
        return fail(failure, "pivot", errno, "/");
    container->root = take_fd(&root);
    return 0;
}

/** The user is looked up before anything is masked: that may be the files that say who it is. */
static int attach_mounts(struct container *container, struct failure *failure) {
    const struct plan *plan = container->plan;
    if (mounts_attach(plan, &container->sources, container->root, failure) < 0 || accounts_add(plan, container->root, failure) < 0)
        return -1;
    if (identity_resolve(container->root, plan->user, &plan->groups, &plan->ids, &container->process.identity, failure) < 0)
        return -1;
    return mounts_restrict(plan, container->root, failure);
}

static int resolve_process(struct container *container, struct failure *failure) {
    const struct plan *plan = container->plan;
    if (process_environment(&container->process, failure) < 0)
        return -1;
    return process_enter_cwd(container->root, plan->cwd, CWD_MADE, failure);
}

static int open_terminal(struct container *container, struct failure *failure) {
    const struct plan *plan = container->plan;
    if (!plan->tty)
        return 0;
    if (terminal_open(container->root, plan->rows, plan->columns, container->process.identity.uid, &container->terminal, failure) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++)
        container->process.stdio[i] = container->terminal.peer;
    return terminal_console(container->root, container->terminal.peer, failure);
}

static int close_root(struct container *container, struct failure *failure) {
    if (container->plan->root_read_only && sys_mount_setattr(container->root, 0, MOUNT_ATTR_RDONLY) < 0)
        return fail(failure, "root", errno, "read-only");
    return mounts_seal(container->plan, container->root, failure);
}

/** Tells S that only execve is left, and waits until S lets it happen. */
static int await_start(struct container *container, struct failure *failure) {
    struct message message = {.kind = MESSAGE_READY};
    int fds[READY_COUNT];
    size_t count = READY_MASTER, none = 0;
    fds[READY_PIDFD] = container->pidfd;
    memcpy(&fds[READY_NS], container->namespaces, sizeof container->namespaces);
    if (container->plan->tty)
        fds[count++] = container->terminal.master;
    if (message_send(container->given->report, &message, fds, count) < 0)
        return fail(failure, "init", errno, "supervisor");
    for (size_t i = 0; i < count; i++)
        close(fds[i]);
    if (message_receive(container->given->report, &message, NULL, &none, NULL) != 1 || message.kind != MESSAGE_GO)
        return fail(failure, "init", ECANCELED, "supervisor");
    return 0;
}

static int enter_bundle(struct container *container, struct failure *failure) {
    return bundle_enter(container->given, failure);
}

/** Whoever creates a container wants to know then that there is nothing to execute. */
static int look_for_program(struct container *container, struct failure *failure) {
    return execute_check(container->plan->arguments.items, container->process.environment, failure);
}

static int await_gate(struct container *container, struct failure *failure) {
    int report = bundle_await(container->given, container->plan->tty ? container->terminal.master : -1, failure);
    container->process.report = report;
    return report < 0 ? -1 : 0;
}

struct step {
    const char *name;
    int (*take)(struct container *, struct failure *);
};

static const struct step bundle_steps[] = {
    {"tie to parent", tie_to_parent}, {"network", enter_network},   {"bundle", enter_bundle},     {"sources", open_sources}, {"kernel settings", configure_kernel},
    {"pivot", pivot},                 {"mounts", attach_mounts},    {"process", resolve_process}, {"program", look_for_program},
    {"terminal", open_terminal},      {"close root", close_root},   {"start", await_gate},        {NULL, NULL},
};

static const struct step steps[] = {
    {"tie to parent", tie_to_parent},       {"network", enter_network}, {"joined", enter_joined},      {"namespaces", open_namespaces}, {"sources", open_sources},
    {"kernel settings", configure_kernel}, {"pivot", pivot},           {"mounts", attach_mounts},       {"process", resolve_process},
    {"terminal", open_terminal},           {"close root", close_root}, {"start", await_start},     {NULL, NULL},
};

_Noreturn void init_main(const struct init_arguments *arguments) {
    struct failure failure = {0};
    struct container container = {.given = arguments, .plan = arguments->plan, .root = -1, .pidfd = -1, .terminal = {-1, -1}};
    container.process.plan = arguments->plan;
    container.process.report = arguments->report;
    const bool bundle = arguments->plan->kind == PLAN_CREATE;
    container.process.tied = plan_shares(arguments->plan, PLAN_NS_PID) && !bundle;
    memcpy(container.process.stdio, arguments->stdio, sizeof arguments->stdio);
    for (const struct step *step = bundle ? bundle_steps : steps; step->take; step++) {
        if (step->take(&container, &failure) == 0)
            continue;
        if (!failure.stage)
            fail(&failure, "init", errno, "%s", step->name);
        message_complain(arguments->report, MESSAGE_FAILURE, &failure);
        _exit(failure.code);
    }
    if (arguments->plan->pause)
        process_pause(&container.process);
    if (arguments->plan->init)
        process_start_with_reaper(&container.process);
    process_start(&container.process);
}
