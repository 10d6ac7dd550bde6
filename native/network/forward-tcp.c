/* TCP: two sockets and a pipe for each direction, spliced; the end of one direction is passed on while the other goes on. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>


#include "forward-loop.h"

/* `ROUND_BYTES`: what one direction may move before other connections have their turn. */
enum { INTEREST = EPOLLIN | EPOLLOUT | EPOLLRDHUP | (int)EPOLLET };
enum { CLIENT, SERVICE, CHUNK = 1 << 20, ROUND_BYTES = 8 << 20, ACCEPT_BATCH = 64 };

struct side {
    struct source source;
    struct connection *connection;
    int fd;
    bool readable, writable;
    /* What was read from this side and waits for the other; the pipe exists only while something does. */
    int pipe[2];
    size_t waiting;
    bool ended, passed_end;
};

struct connection {
    struct side sides[2];
    bool connected, dead;
    const struct published *port;
    /** What is tried when nobody listens where we asked; -1: nothing. */
    int other;
    struct connection *next_dead;
};

static void close_connection(struct forwarder *forwarder, struct connection *connection, bool reset) {
    const struct linger linger = {.l_onoff = 1};
    if (connection->dead)
        return;
    for (int i = 0; i < 2; i++) {
        struct side *side = &connection->sides[i];
        if (reset && side->fd >= 0)
            setsockopt(side->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        drop_fd(&side->fd);
        drop_fd(&side->pipe[0]);
        drop_fd(&side->pipe[1]);
    }
    connection->dead = true;
    connection->next_dead = forwarder->dead;
    forwarder->dead = connection;
}

void tcp_free_dead(struct forwarder *forwarder) {
    while (forwarder->dead) {
        struct connection *connection = forwarder->dead;
        forwarder->dead = connection->next_dead;
        free(connection);
    }
}

/* 1 something moved, 0 nothing can now, -1 the connection broke. */
static int fill(struct side *from) {
    if (from->ended || !from->readable || from->waiting > 0)
        return 0;
    if (from->pipe[0] < 0) {
        if (pipe2(from->pipe, O_CLOEXEC | O_NONBLOCK) < 0)
            return -1;
        fcntl(from->pipe[1], F_SETPIPE_SZ, 256 << 10); /* refused beyond the user's limit: then the default serves */
    }
    ssize_t got = splice(from->fd, NULL, from->pipe[1], NULL, CHUNK, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (got > 0)
        from->waiting = (size_t)got;
    else if (got == 0)
        from->ended = true;
    else if (errno == EAGAIN)
        from->readable = false;
    else if (errno != EINTR)
        return -1;
    return got >= 0;
}

static int drain(struct side *from, struct side *to) {
    if (from->waiting == 0 || !to->writable)
        return 0;
    ssize_t put = splice(from->pipe[0], NULL, to->fd, NULL, from->waiting, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (put > 0)
        from->waiting -= (size_t)put;
    else if (errno == EAGAIN)
        to->writable = false;
    else if (errno != EINTR)
        return -1;
    return put > 0;
}

/* Moves bytes one way until it stalls or had its share; 1 when it must be called again. */
static int relay(struct side *from, struct side *to) {
    size_t moved = 0;
    for (;;) {
        size_t before = from->waiting;
        int filled = fill(from), drained = filled < 0 ? -1 : drain(from, to);
        if (drained < 0)
            return -1;
        if (drained)
            moved += before;
        if (!filled && !drained)
            break;
        if (moved > ROUND_BYTES)
            return 1;
    }
    if (from->waiting == 0) {
        /* An idle direction keeps no pipe. */
        drop_fd(&from->pipe[0]);
        drop_fd(&from->pipe[1]);
        if (from->ended && !from->passed_end) {
            from->passed_end = true;
            shutdown(to->fd, SHUT_WR);
        }
    }
    return 0;
}

/* Edge-triggered: setting the same interest again reports what is still ready, after others had their turn. */
static void requeue(struct forwarder *forwarder, struct side *side) {
    forward_watch(forwarder, side->fd, INTEREST, &side->source);
}

static void relay_both(struct forwarder *forwarder, struct connection *connection) {
    struct side *client = &connection->sides[CLIENT], *service = &connection->sides[SERVICE];
    int up = relay(client, service), down = up < 0 ? -1 : relay(service, client);
    if (up < 0 || down < 0) {
        close_connection(forwarder, connection, true);
        return;
    }
    if (up > 0 || down > 0) {
        requeue(forwarder, client);
        requeue(forwarder, service);
    }
    if (client->passed_end && service->passed_end)
        close_connection(forwarder, connection, false);
}

static bool is_connected(const struct side *side) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(side->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == 0;
}

/** `client` is the address to connect from; NULL: the container's own. */
static int open_service(const struct target *target, const union address *client) {
    const int yes = 1;
    int fd = socket(target->address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if ((client && !source_assume(fd, client, &target->address)) || (connect(fd, &target->address.any, target->size) < 0 && errno != EINPROGRESS)) {
        close(fd);
        return -1;
    }
    return fd;
}

/** A service may listen by one family of addresses only. */
static void ask_other(struct forwarder *forwarder, struct connection *connection) {
    struct side *side = &connection->sides[SERVICE];
    int fd = connection->other < 0 ? -1 : open_service(&connection->port->targets[connection->other], NULL);
    connection->other = -1;
    drop_fd(&side->fd);
    side->fd = fd;
    side->readable = side->writable = false;
    if (fd < 0 || forward_watch(forwarder, fd, INTEREST, &side->source) < 0)
        close_connection(forwarder, connection, true);
}

static void side_ready(struct forwarder *forwarder, struct source *source, uint32_t events) {
    struct side *side = (struct side *)source;
    struct connection *connection = side->connection;
    if (connection->dead)
        return;
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        side->readable = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        side->writable = true;
    if (!connection->connected) {
        if (side != &connection->sides[SERVICE])
            return;
        if (!is_connected(side)) {
            ask_other(forwarder, connection);
            return;
        }
        connection->connected = (events & EPOLLOUT) != 0;
    }
    if (connection->connected)
        relay_both(forwarder, connection);
}

/* Refused by the service: the client sees a reset, as if it had asked the service itself. */
static void refuse(int fd) {
    const struct linger linger = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    close(fd);
}

static void start_connection(struct forwarder *forwarder, struct published *port, int client, const union address *from) {
    const int yes = 1;
    int target = forward_target(forwarder, port, from), service = -1;
    struct connection *connection = target >= 0 ? calloc(1, sizeof *connection) : NULL;
    if (connection && forwarder->shows_source)
        service = open_service(&port->targets[target], from);
    if (service < 0 && connection)
        service = open_service(&port->targets[target], NULL);
    if (service < 0) {
        free(connection);
        refuse(client);
        return;
    }
    connection->port = port;
    connection->other = forward_other_target(port, target);
    setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    const int fds[2] = {[CLIENT] = client, [SERVICE] = service};
    for (int i = 0; i < 2; i++)
        connection->sides[i] = (struct side){.source = {side_ready}, .connection = connection, .fd = fds[i], .pipe = {-1, -1}};
    for (int i = 0; i < 2; i++)
        if (forward_watch(forwarder, fds[i], INTEREST, &connection->sides[i].source) < 0) {
            close_connection(forwarder, connection, true);
            return;
        }
}

void tcp_accept(struct forwarder *forwarder, struct source *source, uint32_t events) {
    struct published *port = (struct published *)source;
    (void)events;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        union address from = {0};
        socklen_t size = sizeof from;
        int fd = accept4(port->listener, &from.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            /* Out of descriptors the listener stays ready: do not spin on it. */
            if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
                nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
            return;
        }
        start_connection(forwarder, port, fd, &from);
    }
}
