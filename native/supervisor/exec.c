#define _GNU_SOURCE
#include "exec.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "relay.h"
#include "run.h"
#include "start.h"

int container_ended(struct failure *failure) {
    return fail(failure, "connect", 0, "the container: it is not running");
}

int container_connect(const char *path, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char parent[4096];
    const char *name = strrchr(path, '/');
    auto_close int directory = -1;
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", path) >= sizeof address.sun_path) {
        snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
        directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0 || (size_t)snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", directory, name) >= sizeof address.sun_path)
            return fail(failure, "connect", directory < 0 ? errno : ENAMETOOLONG, "%s", path);
    }
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
        return take_fd(&fd);
    const bool ended = fd >= 0 && (errno == ENOENT || errno == ECONNREFUSED || errno == ECONNRESET);
    return ended ? container_ended(failure) : fail(failure, "connect", errno, "%s", path);
}

/** `scope=UNIT private|bus SOCKET`. */
static void read_scope(struct container_handles *container, const char *text) {
    const char *line = strstr(text, "\nscope=");
    container->unit = NULL;
    if (!line)
        return;
    snprintf(container->text, sizeof container->text, "%s", line + sizeof "\nscope=" - 1);
    char *rest = container->text, *unit = strsep(&rest, " "), *how = strsep(&rest, " "), *socket = strsep(&rest, "\n");
    container->manager = (struct plan_manager){.bus = how && strcmp(how, "bus") == 0, .socket = socket};
    container->unit = socket ? unit : NULL;
}

/** Asks S for the namespaces: one frame there, one frame with descriptors back. */
int container_ask(const char *path, enum asker asker, struct container_handles *container, struct failure *failure) {
    const char request[FRAME_HEADER] = {FRAME_NAMESPACES};
    char answer[FRAME_HEADER + 512] = {0};
    int fds[2 + NS_COUNT];
    size_t count = N_ELEMENTS(fds);
    container->cgroup = -1;
    auto_close int fd = container_connect(path, failure);
    if (fd < 0)
        return -1;
    if (peer_uid(fd) != geteuid())
        return fail(failure, "connect", EPERM, "%s", path);
    if (write_full(fd, request, sizeof request) < 0 || receive_fds(fd, answer, sizeof answer - 1, fds, &count, NULL) < FRAME_HEADER)
        return container_ended(failure);
    if (answer[0] == FRAME_ERROR)
        return fail(failure, "connect", 0, "the container: %.200s", answer + FRAME_HEADER + 4);
    if (answer[0] != FRAME_NAMESPACES || count < 1 + NS_COUNT)
        return fail(failure, "connect", EBADMSG, "%s", path);
    container->pidfd = fds[0];
    memcpy(container->namespaces, fds + 1, sizeof container->namespaces);
    container->single_id = strstr(answer + FRAME_HEADER, "single=1") != NULL;
    if (count == N_ELEMENTS(fds))
        container->cgroup = fds[1 + NS_COUNT];
    if (asker == ASKER_PROCESS && strstr(answer + FRAME_HEADER, "paused=1")) {
        container_forget(container);
        return fail(failure, "connect", 0, "the container: it is paused");
    }
    read_scope(container, answer + FRAME_HEADER);
    return 0;
}

void container_forget(struct container_handles *container) {
    drop_fd(&container->pidfd);
    drop_fd(&container->cgroup);
    for (size_t i = 0; i < NS_COUNT; i++)
        drop_fd(&container->namespaces[i]);
}

static void become_session(const struct start_arguments *start) {
    /* A session has no warnings to tell; kept open, it would keep a reader of the caller's standard error waiting. */
    int prose = start->prose;
    drop_fd(&prose);
    struct session_options options = {.plan = start->plan, .container = start->context, .status_fd = STATUS_FD, .notify_fd = start->notify, .client_fd = start->client};
    _exit(session_run(&options));
}

static int run_child(const struct plan *plan, const struct container_handles *container, struct failure *failure) {
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        return fail(failure, "exec", errno, "parent");
    struct session_options options = {.plan = plan, .container = container, .status_fd = STATUS_FD, .notify_fd = -1, .client_fd = -1};
    return session_run(&options);
}

int exec_main(int argc, char **argv) {
    struct plan plan = {0};
    struct failure failure = {0};
    struct container_handles container = {.pidfd = -1, .cgroup = -1};
    (void)argc;
    if (start_prepare(argv, PLAN_EXEC, &plan, &failure) < 0 || container_ask(plan.socket, ASKER_PROCESS, &container, &failure) < 0)
        return start_refuse(&failure);
    if (container.single_id)
        plan.ids.how = ID_MAP_SINGLE;
    int code = plan.mode == MODE_CHILD ? run_child(&plan, &container, &failure) : start_apart(&plan, become_session, &container, &failure);
    return code < 0 ? start_refuse(&failure) : code;
}
