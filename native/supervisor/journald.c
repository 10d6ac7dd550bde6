#define _GNU_SOURCE
#include "journald.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

int journald_open(void) {
    const struct timeval patience = {.tv_sec = 1};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) < 0)
        drop_fd(&fd); /* a journal that hangs must not stop the container for good */
    return fd;
}

int journald_send(const struct log *log, int stream, const char *data, size_t size, bool complete) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    unsigned char length[8];
    const char *priority = stream == 2 ? "PRIORITY=3\n" : "PRIORITY=6\n";
    const char *part = complete ? "" : "CONTAINER_PARTIAL_MESSAGE=true\n";
    for (int i = 0; i < 8; i++)
        length[i] = (unsigned char)((uint64_t)size >> (8 * i));
    struct iovec parts[] = {
        {(void *)(uintptr_t)priority, strlen(priority)},
        {(void *)(uintptr_t)log->extra, strlen(log->extra)},
        {(void *)(uintptr_t)part, strlen(part)},
        {(void *)(uintptr_t) "MESSAGE\n", 8}, /* with its length, because it may hold anything */
        {length, sizeof length},
        {(void *)(uintptr_t)data, size},
        {(void *)(uintptr_t) "\n", 1},
    };
    struct msghdr message = {.msg_name = &address, .msg_namelen = sizeof address, .msg_iov = parts, .msg_iovlen = N_ELEMENTS(parts)};
    if ((size_t)snprintf(address.sun_path, sizeof address.sun_path, "%s", log->path) >= sizeof address.sun_path)
        return -1;
    ssize_t sent;
    do
        sent = sendmsg(log->fd, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -1 : 0;
}
