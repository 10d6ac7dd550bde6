/* UDP: one connected socket in the container for each client, so that answers find their way; idle ones end. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward-loop.h"

enum { BATCH = 64, SESSIONS_MAX = 1024 };

/* The local address a datagram came to: its answer must leave from there. */
union packet_info {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(sizeof(struct in6_pktinfo))];
};

struct session {
    struct source source;
    struct published *port;
    struct session *next;
    int fd;
    int64_t used;
    union address client;
    socklen_t client_size;
    /** Which of the port's targets; whether the client's address is shown to it, and whether it ever answered. */
    int target;
    bool shown, answered;
    union packet_info local;
    size_t local_size;
};

void udp_prepare(int listener) {
    const int yes = 1;
    setsockopt(listener, IPPROTO_IP, IP_PKTINFO, &yes, sizeof yes);
    setsockopt(listener, IPPROTO_IPV6, IPV6_RECVPKTINFO, &yes, sizeof yes);
}

static bool same_client(const struct session *session, const union address *client, socklen_t size) {
    if (session->client_size != size || session->client.any.sa_family != client->any.sa_family)
        return false;
    if (client->any.sa_family == AF_INET)
        return session->client.v4.sin_port == client->v4.sin_port && session->client.v4.sin_addr.s_addr == client->v4.sin_addr.s_addr;
    return session->client.v6.sin6_port == client->v6.sin6_port && session->client.v6.sin6_scope_id == client->v6.sin6_scope_id &&
           memcmp(&session->client.v6.sin6_addr, &client->v6.sin6_addr, sizeof client->v6.sin6_addr) == 0;
}

/* Turns what was received into what the answer is sent with: same address, any interface unless the address is of one link. */
static void keep_local(struct session *session, struct msghdr *message) {
    struct cmsghdr *header = CMSG_FIRSTHDR(message);
    session->local_size = 0;
    if (!header)
        return;
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(header), sizeof info);
        info.ipi_ifindex = 0;
        memcpy(CMSG_DATA(header), &info, sizeof info);
        session->local_size = CMSG_SPACE(sizeof info);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(header), sizeof info);
        if (!IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
            info.ipi6_ifindex = 0;
        memcpy(CMSG_DATA(header), &info, sizeof info);
        session->local_size = CMSG_SPACE(sizeof info);
    }
    memcpy(&session->local, header, session->local_size);
}

static void answer(struct forwarder *forwarder, struct source *source, uint32_t events) {
    struct session *session = (struct session *)source;
    (void)events;
    for (int i = 0; i < BATCH && session->fd >= 0; i++) {
        ssize_t size = recv(session->fd, forwarder->datagram, DATAGRAM_MAX, MSG_DONTWAIT);
        if (size < 0)
            return; /* EAGAIN, or the service's port is closed: nothing to pass on */
        session->used = monotonic_ms();
        session->answered = true;
        struct iovec part = {forwarder->datagram, (size_t)size};
        struct msghdr message = {.msg_name = &session->client,
                                 .msg_namelen = session->client_size,
                                 .msg_iov = &part,
                                 .msg_iovlen = 1,
                                 .msg_control = session->local_size ? &session->local : NULL,
                                 .msg_controllen = session->local_size};
        sendmsg(session->port->listener, &message, MSG_DONTWAIT | MSG_NOSIGNAL); /* may be lost, like any datagram */
    }
}

static void disconnect(const struct forwarder *forwarder, struct session *session) {
    if (session->shown)
        source_return_end(forwarder->netlink, &session->client, &session->port->targets[session->target].address);
    session->shown = false;
    drop_fd(&session->fd);
}

static void end_session(struct forwarder *forwarder, struct published *port, struct session **link) {
    struct session *session = *link;
    *link = session->next;
    port->session_count--;
    disconnect(forwarder, session);
    session->next = forwarder->dead_sessions;
    forwarder->dead_sessions = session;
}

void udp_free_dead(struct forwarder *forwarder) {
    while (forwarder->dead_sessions) {
        struct session *session = forwarder->dead_sessions;
        forwarder->dead_sessions = session->next;
        free(session);
    }
}

/* A full table gives up the session that was silent longest: the last one. */
static void make_room(struct forwarder *forwarder, struct published *port) {
    struct session **link = &port->sessions;
    if (port->session_count < SESSIONS_MAX)
        return;
    while ((*link)->next)
        link = &(*link)->next;
    end_session(forwarder, port, link);
}

/** With the client's address where that can be, else with the container's own. */
static int connect_session(struct forwarder *forwarder, struct session *session) {
    const struct target *target = &session->port->targets[session->target];
    for (int shown = forwarder->shows_source; shown >= 0; shown--) {
        session->fd = socket(target->address.any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        session->shown = shown && source_assume(session->fd, &session->client, &target->address) && source_return(forwarder->netlink, &session->client, &target->address);
        if (session->shown == shown && connect(session->fd, &target->address.any, target->size) == 0 && forward_watch(forwarder, session->fd, EPOLLIN, &session->source) == 0)
            return 0;
        disconnect(forwarder, session);
    }
    return -1;
}

static struct session *open_session(struct forwarder *forwarder, struct published *port, const union address *client, socklen_t size) {
    int target = forward_target(forwarder, port, client);
    if (target < 0)
        return NULL;
    make_room(forwarder, port);
    struct session *session = calloc(1, sizeof *session);
    if (!session)
        return NULL;
    *session = (struct session){.source = {answer}, .port = port, .client = *client, .client_size = size, .target = target};
    if (connect_session(forwarder, session) < 0) {
        free(session);
        return NULL;
    }
    port->session_count++;
    return session;
}

/* The client's session, moved to the front. */
static struct session *find_session(struct forwarder *forwarder, struct published *port, const union address *client, socklen_t size) {
    struct session **link = &port->sessions;
    while (*link && !same_client(*link, client, size))
        link = &(*link)->next;
    struct session *session = *link;
    if (session) {
        *link = session->next;
    } else {
        session = open_session(forwarder, port, client, size);
        if (!session)
            return NULL;
    }
    session->next = port->sessions;
    port->sessions = session;
    session->used = monotonic_ms();
    return session;
}

static bool is_refused(const struct session *session) {
    int error = 0;
    socklen_t size = sizeof error;
    return getsockopt(session->fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0 && error == ECONNREFUSED;
}

/* ECONNREFUSED reports an earlier datagram's fate; this one may go through. A service may also listen by one family of addresses only. */
static void pass_on(struct forwarder *forwarder, struct session *session, size_t size) {
    int other = forward_other_target(session->port, session->target);
    if (send(session->fd, forwarder->datagram, size, MSG_DONTWAIT) < 0 && errno == ECONNREFUSED)
        send(session->fd, forwarder->datagram, size, MSG_DONTWAIT);
    if (other < 0 || session->answered || !is_refused(session))
        return;
    disconnect(forwarder, session);
    session->target = other;
    if (connect_session(forwarder, session) == 0)
        send(session->fd, forwarder->datagram, size, MSG_DONTWAIT);
}

void udp_receive(struct forwarder *forwarder, struct source *source, uint32_t events) {
    struct published *port = (struct published *)source;
    (void)events;
    for (int i = 0; i < BATCH; i++) {
        union address client;
        union packet_info control;
        struct iovec part = {forwarder->datagram, DATAGRAM_MAX};
        struct msghdr message = {.msg_name = &client, .msg_namelen = sizeof client, .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
        ssize_t size = recvmsg(port->listener, &message, MSG_DONTWAIT);
        if (size < 0)
            return;
        struct session *session = find_session(forwarder, port, &client, message.msg_namelen);
        if (!session)
            continue;
        keep_local(session, &message);
        pass_on(forwarder, session, (size_t)size);
    }
}

bool udp_expire(struct forwarder *forwarder) {
    int64_t oldest = monotonic_ms() - SESSION_IDLE_MS;
    bool any = false;
    for (size_t i = 0; i < forwarder->port_count; i++) {
        struct published *port = &forwarder->ports[i];
        for (struct session **link = &port->sessions; *link;)
            if ((*link)->used < oldest)
                end_session(forwarder, port, link);
            else
                link = &(*link)->next;
        any = any || port->sessions;
    }
    return any;
}
