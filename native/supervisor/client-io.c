#define _GNU_SOURCE
#include "client-io.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "buffer.h"
#include "client/client.h"
#include "direct.h"

static void client_ready(struct watch *watch, uint32_t events);

struct client *relay_add(struct relay *relay, int fd, bool lossless) {
    struct client *client = calloc(1, sizeof *client);
    if (!client) {
        close(fd);
        return NULL;
    }
    *client = (struct client){.relay = relay, .lossless = lossless, .output = lossless, .input = lossless, .next = relay->clients};
    client->direct[0].watch.fd = client->direct[1].watch.fd = -1;
    client->watch = (struct watch){.fd = fd, .ready = client_ready, .owner = client};
    relay->clients = client;
    if (lossless) /* as far as the system allows; a smaller one only means more turns */
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &(int){SOCKET_SIZE}, sizeof(int));
    if (set_nonblocking(fd) == 0 && watch_set(relay->epoll, &client->watch, EPOLLIN) == 0)
        return client;
    client_close(client);
    return NULL;
}

void client_arrived(struct watch *watch, uint32_t events) {
    struct relay *relay = watch->owner;
    (void)events;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    if (peer_uid(fd) != geteuid())
        close(fd);
    else
        relay_add(relay, fd, false);
}

static bool has_members(const struct relay *relay) {
    for (const struct client *client = relay->clients; client; client = client->next)
        if (client->member)
            return true;
    return false;
}

void client_close(struct client *client) {
    struct relay *relay = client->relay;
    struct client **link = &relay->clients;
    while (*link != client)
        link = &(*link)->next;
    *link = client->next;
    watch_close(relay->epoll, &client->watch);
    direct_end(client);
    if (client->lossless && !client->greeted && relay->deserted)
        relay->deserted(relay->owner);
    if (client->member && relay->emptied && !has_members(relay))
        relay->emptied(relay->owner);
    buffer_free(&client->out);
    free(client->payload);
    free(client);
}

static uint32_t wanted_events(const struct client *client) {
    bool stalled = client->input && buffer_size(&client->relay->pending_input) > 0;
    return (stalled || client->leaving ? 0 : (uint32_t)EPOLLIN) | (buffer_size(&client->out) > 0 ? (uint32_t)EPOLLOUT : 0);
}

void clients_resume_input(struct relay *relay) {
    for (struct client *client = relay->clients; client; client = client->next)
        watch_set(relay->epoll, &client->watch, wanted_events(client));
}

/** Cuts the connection off; its hang-up event then frees the client, so that callers walking the list are not surprised. */
static void client_abandon(struct client *client) {
    buffer_free(&client->out);
    client->output = client->input = client->lossless = client->waits = false;
    direct_end(client);
    client->leaving = true;
    shutdown(client->watch.fd, SHUT_RDWR);
    watch_set(client->relay->epoll, &client->watch, EPOLLIN);
}

static size_t send_now(struct client *client, const struct iovec *parts, size_t count) {
    struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = count};
    ssize_t sent;
    do
        sent = sendmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? 0 : (size_t)sent;
}

static void send_frame(struct client *client, unsigned type, const char *data, size_t size) {
    unsigned char header[FRAME_HEADER] = {(unsigned char)type, 0, 0, 0, (unsigned char)(size >> 24), (unsigned char)(size >> 16), (unsigned char)(size >> 8), (unsigned char)size};
    const struct iovec parts[2] = {{header, sizeof header}, {(void *)(uintptr_t)data, size}};
    size_t sent = buffer_size(&client->out) > 0 ? 0 : send_now(client, parts, 2);
    if (sent == sizeof header + size)
        return;
    size_t head = sent < sizeof header ? sizeof header - sent : 0;
    size_t body = sent > sizeof header ? sent - sizeof header : 0;
    bool lost = buffer_add(&client->out, header + sizeof header - head, head) < 0 || buffer_add(&client->out, data + body, size - body) < 0;
    if (lost || (!client->lossless && buffer_size(&client->out) > LOSSY_LIMIT))
        client_abandon(client);
    else
        watch_set(client->relay->epoll, &client->watch, wanted_events(client));
}

void client_refuse(int socket, int number, const char *text, int code) {
    unsigned char frame[FRAME_HEADER + 4 + 1024] = {FRAME_ERROR, 0, 0, 0};
    char record[40];
    size_t length = strnlen(text, 1024);
    const size_t size = 4 + length, end = (size_t)snprintf(record, sizeof record, "{\"v\":1,\"code\":%d}", code);
    unsigned char exit[FRAME_HEADER + sizeof record] = {FRAME_EXIT, 0, 0, 0, 0, 0, 0, (unsigned char)end};
    frame[6] = (unsigned char)(size >> 8);
    frame[7] = (unsigned char)size;
    for (int i = 0; i < 4; i++)
        frame[FRAME_HEADER + i] = (unsigned char)((unsigned)number >> (24 - 8 * i));
    memcpy(frame + FRAME_HEADER + 4, text, length);
    memcpy(exit + FRAME_HEADER, record, end);
    if (write_full(socket, frame, FRAME_HEADER + size) == 0)
        (void)!write_full(socket, exit, FRAME_HEADER + end); /* a client that is gone needs no answer */
}

void client_send(struct client *client, unsigned type, const void *data, size_t size) {
    const char *bytes = data;
    if (client->leaving)
        return;
    client->sent_output = client->sent_output || type == FRAME_STDOUT || type == FRAME_STDERR;
    do {
        size_t part = size > FRAME_MAX ? FRAME_MAX : size;
        send_frame(client, type, bytes, part);
        bytes += part;
        size -= part;
    } while (size > 0 && !client->leaving);
}

void relay_broadcast(struct relay *relay, unsigned type, const char *text) {
    for (struct client *client = relay->clients; client; client = client->next)
        if (client->output || client->waits)
            client_send(client, type, text, strlen(text));
}

void client_leave(struct client *client) {
    client->leaving = true;
    direct_end(client); /* its reader sees the end when the client ends */
    if (buffer_size(&client->out) == 0)
        shutdown(client->watch.fd, SHUT_RDWR);
    watch_set(client->relay->epoll, &client->watch, wanted_events(client));
}

static void handle_frame(struct client *client) {
    struct relay *relay = client->relay;
    const unsigned char *payload = (const unsigned char *)client->payload;
    size_t size = client->payload_size;
    switch (client->header[0]) {
    case FRAME_STDIN:
        if (client->input)
            relay_write_input(relay, payload, size);
        break;
    case FRAME_STDIN_END:
        if (client->input)
            relay_end_input(relay);
        break;
    case FRAME_DETACH:
        client_leave(client);
        break;
    case FRAME_OUTPUT:
        direct_accept(client, size > 0 ? payload[0] : 0);
        break;
    case FRAME_HELLO:
        client->greeted = true;
        client->output = size > 0 && (payload[0] == 1 || payload[0] == 2);
        client->input = size > 0 && payload[0] == 2;
        relay->control(relay->owner, client, FRAME_HELLO, payload, size);
        break;
    default:
        relay->control(relay->owner, client, client->header[0], payload, size);
    }
}

/** As recv, with what descriptors come along. */
static ssize_t receive(struct client *client, void *to, size_t room) {
    union {
        char bytes[CMSG_SPACE(sizeof(int[2]))];
        struct cmsghdr align;
    } control;
    struct iovec part = {to, room};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    ssize_t got = recvmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    for (struct cmsghdr *header = got >= 0 ? CMSG_FIRSTHDR(&message) : NULL; header; header = CMSG_NXTHDR(&message, header)) {
        int fds[2];
        size_t size = header->cmsg_len - CMSG_LEN(0);
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || size > sizeof fds)
            continue;
        memcpy(fds, CMSG_DATA(header), size);
        direct_keep(client, fds, size / sizeof(int));
    }
    return got;
}

/** Collects header and payload. 1: a whole frame is there; 0: more is to come; -1: the connection is over. */
static int collect(struct client *client) {
    bool in_header = client->header_got < FRAME_HEADER;
    void *to = in_header ? (char *)client->header + client->header_got : client->payload + client->payload_got;
    size_t room = in_header ? FRAME_HEADER - client->header_got : client->payload_size - client->payload_got;
    ssize_t got = receive(client, to, room);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (got <= 0)
        return -1;
    if (!in_header) {
        client->payload_got += (size_t)got;
        return client->payload_got == client->payload_size;
    }
    client->header_got += (size_t)got;
    if (client->header_got < FRAME_HEADER)
        return 0;
    const unsigned char *header = client->header;
    client->payload_size = (size_t)header[4] << 24 | (size_t)header[5] << 16 | (size_t)header[6] << 8 | header[7];
    client->payload_got = 0;
    if (client->payload_size == 0)
        return 1;
    if (client->payload_size > FRAME_MAX || !(client->payload = malloc(client->payload_size)))
        return -1;
    return 0;
}

static bool flush_out(struct client *client) {
    while (buffer_size(&client->out) > 0) {
        const struct iovec part = {client->out.data + client->out.start, buffer_size(&client->out)};
        size_t sent = send_now(client, &part, 1);
        if (sent == 0)
            return errno == EAGAIN;
        buffer_take(&client->out, sent);
    }
    if (client->leaving)
        return false;
    watch_set(client->relay->epoll, &client->watch, wanted_events(client));
    return true;
}

static void client_ready(struct watch *watch, uint32_t events) {
    struct client *client = watch->owner;
    struct relay *relay = client->relay;
    bool alive = !(events & EPOLLOUT) || flush_out(client);
    if (alive && client->leaving && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
        alive = false;
    else if (alive && (events & EPOLLIN)) {
        int frame = collect(client);
        alive = frame >= 0;
        if (frame == 1) {
            client->header_got = 0;
            handle_frame(client);
            free(client->payload);
            client->payload = NULL;
            client->payload_size = 0;
        }
    } else if (alive && (events & (EPOLLHUP | EPOLLERR))) {
        alive = false;
    }
    if (!alive)
        client_close(client);
    relay_flow(relay);
}
