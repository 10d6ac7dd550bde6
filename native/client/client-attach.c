/* `coracle-sv attach`: connects to a container's socket and becomes its client. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "client.h"
#include "plan/plan.h"
#include "supervisor/run.h"
#include "supervisor/start.h"

/* sun_path holds 107 bytes: a longer path is reached through its directory. */
static int connect_socket(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    auto_close int directory = -1;
    if (strlen(path) < sizeof address.sun_path) {
        memcpy(address.sun_path, path, strlen(path) + 1);
    } else {
        auto_free char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
        directory = parent ? open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        int size = directory < 0 ? 0 : snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", directory, slash);
        errno = directory < 0 ? errno : ENAMETOOLONG;
        if (directory < 0 || size >= (int)sizeof address.sun_path)
            return -1;
    }
    auto_close int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return take_fd(&fd);
}

int attach_main(int argc, char **argv) {
    struct plan plan;
    struct failure failure = {0};
    const bool served = start_is_served(argv);
    (void)argc;
    prctl(PR_SET_DUMPABLE, 0);
    if (plan_read(PLAN_FD, PLAN_ATTACH, &plan, &failure) < 0) {
        fprintf(stderr, "coracle: attach: %s: %s\n", failure.object, strerror(failure.number));
        return 125;
    }
    close(PLAN_FD);
    struct client_options options = {
        .detach_keys = plan.detach_keys,
        .tty = plan.tty,
        .interactive = plan.stdin_mode != STDIN_CLOSED,
        .signal_proxy = plan.signal_proxy,
    };
    options.direct = served && !plan.tty;
    options.socket = served ? CLIENT_FD : connect_socket(plan.socket ? plan.socket : "");
    if (options.socket < 0) {
        bool gone = errno == ENOENT || errno == ECONNREFUSED;
        fprintf(stderr, "coracle: attach: %s\n", gone ? "the container is not running" : strerror(errno));
        return 125;
    }
    int code = client_run(&options);
    plan_free(&plan);
    return code;
}
