#define _GNU_SOURCE
#include "pipes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/** Pipes, because sockets cannot be reopened through /dev/stdout; open to all ids, because USER may not be root. */
static int make_pipes(const struct plan *plan, int container[3], int ours[3]) {
    for (int i = 0; i < 3; i++) {
        int ends[2];
        if (i == 0 && plan->stdin_mode == STDIN_CLOSED) {
            container[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
            continue;
        }
        if (pipe2(ends, O_CLOEXEC) < 0 || fchmod(ends[0], 0666) < 0)
            return -1;
        container[i] = ends[i == 0 ? 0 : 1];
        ours[i] = ends[i == 0 ? 1 : 0];
    }
    return container[0] < 0 ? -1 : 0;
}

/** A builder's child and a container whose log is passed through have their streams from the caller. */
static void open_to_all(int fd) {
    struct stat status;
    if (fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode))
        fchmod(fd, 0666); /* not our pipe: then its owner has decided */
}

int pipes_make(const struct plan *plan, struct relay *relay, int container[3], struct failure *failure) {
    int ours[3] = {-1, -1, -1};
    if (plan->mode == MODE_CHILD || relay->passed[0] >= 0) {
        for (int i = 0; i < 3; i++) {
            int fd = plan->mode == MODE_CHILD ? i : relay->passed[i];
            open_to_all(fd);
            if ((container[i] = fcntl(fd, F_DUPFD_CLOEXEC, 3)) < 0)
                return fail(failure, "stdio", errno, "standard streams");
        }
        return 0;
    }
    if (plan->tty) {
        for (int i = 0; i < 3; i++)
            if ((container[i] = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
                return fail(failure, "stdio", errno, "/dev/null");
        return 0;
    }
    if (make_pipes(plan, container, ours) < 0 || relay_streams(relay, ours[1], ours[2], ours[0]) < 0)
        return fail(failure, "stdio", errno, "pipes");
    return 0;
}
