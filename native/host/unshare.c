#define _GNU_SOURCE
#include "unshare.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/status.h"
#include "base/syscalls.h"
#include "container/userns.h"
#include "files/overlay.h"
#include "files/root.h"
#include "plan/plan-values.h"
#include "supervisor/run.h"

static int read_plan(enum plan_kind kind, struct plan *plan) {
    struct failure failure = {0};
    if (plan_read(PLAN_FD, kind, plan, &failure) < 0)
        return failure_refuse(&failure);
    close(PLAN_FD);
    return 0;
}

/** Stays outside of the namespace and writes its maps, which nobody inside may do. */
static _Noreturn void map_parent(const struct id_map *map, pid_t parent, int channel) {
    struct failure failure = {0};
    char byte;
    if (read_full(channel, &byte, 1) != 1)
        _exit(0);
    userns_map(map, parent, &failure);
    _exit(send(channel, &failure, sizeof failure, MSG_NOSIGNAL) == (ssize_t)sizeof failure ? 0 : 1);
}

static int await_maps(int channel, pid_t helper, struct failure *failure) {
    struct failure answer = {0};
    ssize_t got = send(channel, "", 1, MSG_NOSIGNAL) == 1 ? recv(channel, &answer, sizeof answer, 0) : -1;
    int error = got < 0 ? errno : EPIPE;
    while (waitpid(helper, NULL, 0) < 0 && errno == EINTR)
        continue;
    if (got != (ssize_t)sizeof answer)
        return fail(failure, "idmap", error, "the process that writes the maps died");
    if (!answer.stage)
        return 0;
    *failure = answer; /* same program, same addresses */
    return -1;
}

/** The process itself goes over, so that job control and signals of its shell stay as they are. */
static int enter_namespaces(const struct id_map *map, struct failure *failure) {
    int ends[2];
    const pid_t own = getpid();
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "userns", errno, "socketpair");
    prctl(PR_SET_DUMPABLE, 1); /* only then may the helper write our maps */
    pid_t helper = fork();
    if (helper == 0) {
        close(ends[0]);
        map_parent(map, own, ends[1]);
    }
    close(ends[1]);
    auto_close int channel = ends[0];
    if (helper < 0)
        return fail(failure, "userns", errno, "fork");
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0) {
        int error = errno;
        drop_fd(&channel);
        waitpid(helper, NULL, 0);
        return fail(failure, "userns", error, "make a user namespace");
    }
    if (await_maps(channel, helper, failure) < 0)
        return -1;
    setgroups(0, NULL); /* EPERM where setgroups is denied: the groups stay, unmapped */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fail(failure, "userns", errno, "become root of the namespace");
    /* What the host mounts later is seen, what is mounted here stays here. */
    return mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0 ? fail(failure, "mount", errno, "make / a slave") : 0;
}

int unshare_main(int argc, char **argv) {
    struct plan plan;
    struct failure failure = {0};
    (void)argc;
    (void)argv;
    if (read_plan(PLAN_UNSHARE, &plan) != 0)
        return 125;
    if (enter_namespaces(&plan.ids, &failure) < 0)
        return failure_refuse(&failure);
    char **arguments = calloc(plan.arguments.count + 1, sizeof *arguments);
    for (size_t i = 0; arguments && i < plan.arguments.count; i++)
        arguments[i] = (char *)(uintptr_t)plan.arguments.items[i];
    if (arguments)
        execvp(arguments[0], arguments);
    int error = arguments ? errno : ENOMEM;
    fprintf(stderr, "coracle: execute %s: %s\n", plan.arguments.items[0], strerror(error));
    return error == ENOENT ? 127 : 126;
}

static _Noreturn void exec_fuse(const struct plan *plan, const struct overlay *overlay) {
    char text[16384] = "";
    struct overlay_options options = {.text = text, .room = sizeof text, .prefix = "/proc/self/fd/", .flags = O_RDONLY};
    struct failure failure = {0};
    char *const environment[] = {NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || null_stdio() < 0 || sys_close_range(3, ~0U, 0) < 0 || overlay_append(&options, overlay, &failure) < 0)
        _exit(126);
    char *const arguments[] = {(char *)(uintptr_t)plan->fuse_program, "-f", "-o", text, (char *)(uintptr_t)plan->directory, NULL};
    reset_signals();
    execve(plan->fuse_program, arguments, environment);
    _exit(errno == ENOENT ? 127 : 126);
}

/** Waits for the end of the session that mounts, or of the server: whichever is first ends the other's mount. */
static _Noreturn void watch_fuse(const struct plan *plan, pid_t server, int session) {
    auto_close int ended = sys_pidfd_open(server);
    struct pollfd polled[] = {{.fd = ended, .events = POLLIN}, {.fd = session, .events = POLLIN}};
    while (poll(polled, N_ELEMENTS(polled), -1) < 0 && errno == EINTR)
        continue;
    if (!polled[0].revents) {
        umount2(plan->directory, UMOUNT_NOFOLLOW | MNT_DETACH);
        kill(server, SIGKILL);
    }
    waitpid(server, NULL, 0);
    _exit(0);
}

/** fuse-overlayfs below a process of its own, which ends it with the session: it would keep the namespace for ever. */
static _Noreturn void serve_fuse(const struct plan *plan, const struct overlay *overlay, int session, int channel) {
    struct failure failure = {0};
    struct stat before = {0};
    pid_t server = stat(plan->directory, &before) < 0 ? -1 : fork();
    if (server == 0)
        exec_fuse(plan, overlay);
    if (server < 0)
        fail(&failure, "fuse", errno, "%s", plan->directory);
    else if (access("/dev/fuse", R_OK | W_OK) < 0)
        fail(&failure, "fuse", errno, "/dev/fuse");
    else
        root_await_fuse(server, plan->directory, before.st_dev, &failure);
    if (send(channel, &failure, sizeof failure, MSG_NOSIGNAL) != (ssize_t)sizeof failure || failure.stage)
        _exit(1);
    close(channel);
    if (setsid() < 0 || null_stdio() < 0 || chdir("/") < 0)
        _exit(1);
    watch_fuse(plan, server, session);
}

static int mount_fuse(const struct plan *plan, const struct overlay *overlay, pid_t session, struct failure *failure) {
    int ends[2];
    struct failure answer = {0};
    auto_close int pidfd = session > 0 ? sys_pidfd_open(session) : -1;
    if (session > 0 && pidfd < 0)
        return fail(failure, "fuse", errno, "the session %d", (int)session);
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "fuse", errno, "socketpair");
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        serve_fuse(plan, overlay, pidfd, ends[1]);
    }
    close(ends[1]);
    auto_close int channel = ends[0];
    if (pid < 0)
        return fail(failure, "fuse", errno, "fork");
    if (recv(channel, &answer, sizeof answer, 0) != (ssize_t)sizeof answer)
        return fail(failure, "fuse", errno, "fuse-overlayfs");
    if (!answer.stage)
        return 0;
    *failure = answer; /* same program, same addresses */
    return -1;
}

int mount_main(int argc, char **argv) {
    struct plan plan;
    struct failure failure = {0};
    uint64_t session = 0;
    if (argc > 2 && !parse_number(argv[2], INT32_MAX, &session)) {
        fprintf(stderr, "coracle: mount: no process %s\n", argv[2]);
        return 125;
    }
    if (read_plan(PLAN_MOUNT, &plan) != 0)
        return 125;
    const struct overlay overlay = {.layers = &plan.layers, .upper = plan.upper, .work = plan.work};
    int result = -1;
    if (plan.layers.count == 0)
        fail(&failure, "plan", EINVAL, "layer missing");
    else if (plan.root == ROOT_FUSE && plan.fuse_program)
        result = mount_fuse(&plan, &overlay, (pid_t)session, &failure);
    else if (plan.root == ROOT_OVERLAY)
        result = overlay_mount(&overlay, plan.directory, &failure);
    else
        fail(&failure, "plan", EINVAL, "root or fuse-program missing");
    return result < 0 ? failure_refuse(&failure) : 0;
}

int umount_main(int argc, char **argv) {
    struct plan plan;
    struct failure failure = {0};
    (void)argc;
    (void)argv;
    if (read_plan(PLAN_MOUNT, &plan) != 0)
        return 125;
    if (umount2(plan.directory, UMOUNT_NOFOLLOW) < 0)
        fail(&failure, "umount", errno, "%s", plan.directory);
    return failure.stage ? failure_refuse(&failure) : 0;
}
