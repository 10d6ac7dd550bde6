#define _GNU_SOURCE
#include "direct.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "client-io.h"

static void pipe_ready(struct watch *watch, uint32_t events) {
    struct direct *direct = watch->owner;
    struct relay *relay = direct->client->relay;
    (void)events; /* also when its reader is gone: the next copy finds that out */
    direct->blocked = false;
    watch_remove(relay->epoll, watch);
    relay_flow(relay);
}

static bool is_pipe(int fd) {
    struct stat status;
    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

void direct_keep(struct client *client, const int *fds, size_t count) {
    for (size_t i = 0; i < count; i++) {
        if (client->lossless && client->passed_count < N_ELEMENTS(client->passed))
            client->passed[client->passed_count++] = fds[i];
        else
            close(fds[i]);
    }
}

void direct_accept(struct client *client, unsigned streams) {
    size_t next = 0;
    for (int i = 0; i < 2; i++) {
        if (!(streams & 1U << i) || next == client->passed_count)
            continue;
        int fd = client->passed[next++];
        /* Frames that are on their way would come after what goes into the pipe now. */
        if (client->sent_output || !client->output || !is_pipe(fd) || client->direct[i].watch.fd >= 0)
            close(fd);
        else
            client->direct[i] = (struct direct){.watch = {.fd = fd, .ready = pipe_ready, .owner = &client->direct[i]}, .client = client};
    }
    while (next < client->passed_count)
        close(client->passed[next++]);
    client->passed_count = 0;
}

struct client *direct_client(struct relay *relay, const struct stream *stream) {
    for (struct client *client = relay->clients; client && !relay->tty; client = client->next)
        if (client->output && !client->leaving && client->direct[stream->number - 1].watch.fd >= 0)
            return client;
    return NULL;
}

bool direct_blocked(const struct client *client) {
    return client->direct[0].blocked || client->direct[1].blocked;
}

static void close_one(struct client *client, struct direct *direct) {
    direct->blocked = false;
    watch_close(client->relay->epoll, &direct->watch);
}

void direct_end(struct client *client) {
    for (size_t i = 0; i < client->passed_count; i++)
        close(client->passed[i]);
    client->passed_count = 0;
    close_one(client, &client->direct[0]);
    close_one(client, &client->direct[1]);
}

ssize_t direct_copy(struct client *client, const struct stream *stream, size_t room, bool move) {
    struct direct *direct = &client->direct[stream->number - 1];
    const int from = stream->watch.fd, to = direct->watch.fd;
    int waiting = 0;
    ssize_t copied;
    do
        copied = move ? splice(from, NULL, to, NULL, room, SPLICE_F_NONBLOCK | SPLICE_F_MOVE) : tee(from, to, room, SPLICE_F_NONBLOCK);
    while (copied < 0 && errno == EINTR);
    if (copied >= 0)
        return copied;
    if (errno == EAGAIN && (ioctl(from, FIONREAD, &waiting) < 0 || waiting == 0))
        return 0;
    /* EAGAIN with bytes to read: the pipe is full. At the container's end nothing waits for its reader any more but the client. */
    if (errno == EAGAIN && !client->relay->hurry && watch_set(client->relay->epoll, &direct->watch, EPOLLOUT) == 0) {
        direct->blocked = true;
        return -1;
    }
    close_one(client, direct);
    return -2;
}
