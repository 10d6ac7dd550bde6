#define _GNU_SOURCE
#include "relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "buffer.h"
#include "client-io.h"
#include "direct.h"

enum { PIPE_SIZE = 1 << 20, READ_SIZE = FRAME_MAX, MOVE_SIZE = 1 << 20 };

static void stream_ready(struct watch *watch, uint32_t events);
static void input_ready(struct watch *watch, uint32_t events);

void relay_init(struct relay *relay, int epoll, void *owner) {
    *relay = (struct relay){.epoll = epoll, .owner = owner, .passed = {-1, -1, -1}};
    for (int i = 0; i < 2; i++) {
        relay->streams[i] = (struct stream){.relay = relay, .number = i == 0 ? FRAME_STDOUT : FRAME_STDERR};
        relay->streams[i].watch = (struct watch){.fd = -1, .ready = stream_ready, .owner = &relay->streams[i]};
    }
    relay->input = (struct watch){.fd = -1, .ready = input_ready, .owner = relay};
    relay->listener = (struct watch){.fd = -1, .ready = client_arrived, .owner = relay};
}

int relay_streams(struct relay *relay, int output, int errors, int input) {
    const int fds[2] = {output, errors};
    for (int i = 0; i < 2; i++) {
        relay->streams[i].watch.fd = fds[i];
        if (fds[i] < 0)
            continue;
        if (!relay->tty)
            fcntl(fds[i], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller pipe only costs speed */
        if (set_nonblocking(fds[i]) < 0 || watch_set(relay->epoll, &relay->streams[i].watch, relay->paused ? 0 : EPOLLIN) < 0)
            return -1;
    }
    relay->input.fd = input;
    relay->input_gone = input < 0;
    relay->last_output = monotonic_ms();
    if (input >= 0 && set_nonblocking(input) < 0)
        return -1;
    return relay->input_ended || buffer_size(&relay->pending_input) > 0 ? relay_flush_input(relay) : 0;
}

void relay_close_streams(struct relay *relay) {
    for (int i = 0; i < 2; i++)
        watch_close(relay->epoll, &relay->streams[i].watch);
    watch_close(relay->epoll, &relay->input);
    relay->input_gone = true;
    buffer_free(&relay->pending_input);
}

static void set_reading(struct relay *relay, bool reading) {
    relay->paused = !reading;
    for (int i = 0; i < 2; i++) {
        struct watch *watch = &relay->streams[i].watch;
        /* A hang-up cannot be masked: a paused stream must leave the set, or it would spin. */
        if (watch->fd >= 0 && reading)
            watch_set(relay->epoll, watch, EPOLLIN);
        else
            watch_remove(relay->epoll, watch);
    }
}

/** What waits for a lossless client stays in the container's pipe: a queue of our own would only be one more copy of it. */
void relay_flow(struct relay *relay) {
    bool full = false;
    for (const struct client *client = relay->clients; client; client = client->next)
        full = full || (client->lossless && client->output && !client->leaving && (buffer_size(&client->out) > 0 || direct_blocked(client)));
    if (full != relay->paused && !(full && relay->hurry))
        set_reading(relay, !full);
}

static void stream_ended(struct relay *relay, struct stream *stream) {
    watch_close(relay->epoll, &stream->watch);
    if (relay->streams[0].watch.fd < 0 && relay->streams[1].watch.fd < 0 && relay->ended)
        relay->ended(relay->owner);
}

/** Reads once. 1: something came; 0: nothing now; -1: the stream has ended. */
static int pump(struct relay *relay, struct stream *stream) {
    char data[READ_SIZE];
    struct client *direct = direct_client(relay, stream);
    ssize_t copied = 0;
    if (direct) {
        const bool alone = relay->clients == direct && !direct->next && !(relay->log && log_kept(relay->log));
        copied = direct_copy(direct, stream, alone ? MOVE_SIZE : sizeof data, alone);
        if (copied == -1) {
            relay_flow(relay);
            return 0;
        }
        if (copied > 0 && alone) {
            relay->last_output = monotonic_ms();
            return 1;
        }
        direct = copied > 0 ? direct : NULL;
    }
    ssize_t got = copied > 0 ? read_full(stream->watch.fd, data, (size_t)copied) : read(stream->watch.fd, data, sizeof data);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    /* A terminal's master says EIO when no process holds the other side. */
    if (got <= 0)
        return -1;
    relay->last_output = monotonic_ms();
    if (relay->log)
        log_write(relay->log, stream->number, data, (size_t)got);
    for (struct client *client = relay->clients, *next; client; client = next) {
        next = client->next;
        if (client->output && client != direct)
            client_send(client, (unsigned)stream->number, data, (size_t)got);
    }
    relay_flow(relay);
    return 1;
}

static void stream_ready(struct watch *watch, uint32_t events) {
    struct stream *stream = watch->owner;
    (void)events;
    if (pump(stream->relay, stream) < 0)
        stream_ended(stream->relay, stream);
}

bool relay_hurry(struct relay *relay) {
    bool open = false;
    relay->hurry = true;
    if (relay->paused)
        set_reading(relay, true);
    for (int i = 0; i < 2; i++) {
        struct stream *stream = &relay->streams[i];
        int result = 1;
        while (stream->watch.fd >= 0 && (result = pump(relay, stream)) > 0)
            continue;
        if (stream->watch.fd >= 0 && result < 0)
            watch_close(relay->epoll, &stream->watch);
        open = open || stream->watch.fd >= 0;
    }
    return open;
}

int relay_flush_input(struct relay *relay) {
    struct buffer *pending = &relay->pending_input;
    while (relay->input.fd >= 0 && buffer_size(pending) > 0) {
        ssize_t put = write(relay->input.fd, pending->data + pending->start, buffer_size(pending));
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0 && errno == EAGAIN)
            return watch_set(relay->epoll, &relay->input, EPOLLOUT);
        if (put < 0) {
            watch_close(relay->epoll, &relay->input); /* the container closed its standard input */
            relay->input_gone = true;
            break;
        }
        buffer_take(pending, (size_t)put);
    }
    watch_remove(relay->epoll, &relay->input);
    if (relay->input_gone)
        buffer_free(pending);
    if (relay->input_ended && buffer_size(pending) == 0 && relay->input.fd >= 0) {
        relay->input_gone = true;
        watch_close(relay->epoll, &relay->input);
    }
    clients_resume_input(relay);
    return 0;
}

static void input_ready(struct watch *watch, uint32_t events) {
    (void)events;
    relay_flush_input(watch->owner);
}

void relay_write_input(struct relay *relay, const unsigned char *data, size_t size) {
    if (!relay->input_gone && !relay->input_ended && buffer_add(&relay->pending_input, data, size) == 0)
        relay_flush_input(relay);
}

void relay_end_input(struct relay *relay) {
    if (relay->tty || !relay->stdin_once)
        return;
    relay->input_ended = true;
    relay_flush_input(relay);
}

/** A path too long for a socket's name is reached through a descriptor of its directory. */
static int bind_path(int socket_fd, const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char parent[4096];
    const char *name = strrchr(path, '/');
    int written = snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    auto_close int directory = -1;
    if (written >= (int)sizeof address.sun_path) {
        snprintf(parent, sizeof parent, "%.*s", (int)(name - path), path);
        directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (directory < 0)
            return -1;
        written = snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d%s", directory, name);
        if (written >= (int)sizeof address.sun_path) {
            errno = ENAMETOOLONG;
            return -1;
        }
    }
    if (unlink(address.sun_path) < 0 && errno != ENOENT)
        return -1;
    return bind(socket_fd, (struct sockaddr *)&address, sizeof address);
}

int relay_listen(struct relay *relay, const char *path, struct failure *failure) {
    mode_t before = umask(0177);
    relay->listener.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int result = relay->listener.fd < 0 ? -1 : bind_path(relay->listener.fd, path);
    umask(before);
    if (result < 0 || listen(relay->listener.fd, 64) < 0 || watch_set(relay->epoll, &relay->listener, EPOLLIN) < 0)
        return fail(failure, "socket", errno, "%s", path);
    return 0;
}

bool relay_flushing(const struct relay *relay) {
    for (const struct client *client = relay->clients; client; client = client->next)
        if (buffer_size(&client->out) > 0)
            return true;
    return false;
}

void relay_free(struct relay *relay) {
    relay_close_streams(relay);
    watch_close(relay->epoll, &relay->listener);
    while (relay->clients)
        client_close(relay->clients);
}
