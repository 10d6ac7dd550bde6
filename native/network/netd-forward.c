#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>

#include "netd.h"

enum { PENDING_MOST = 256, SERVERS_MOST = 4, ROUNDS = 2, TRY_MS = 2000 };

/** A query on its way to one resolver after the other, by a socket of the host's network. */
struct pending {
    struct pending *next;
    struct watch watch;
    struct netd *netd;
    int64_t deadline;
    struct plan_resolver servers[SERVERS_MOST];
    unsigned count, tried;
    struct dns_question question;
    struct dns_server *server;
    union netd_address address;
    socklen_t address_size;
    struct stream *stream;
    /** Room for a length, a query and, by TCP, the answer. */
    unsigned char *bytes;
    size_t query_size, done, total;
    bool reading;
};

static unsigned add_resolvers(struct pending *pending, const struct plan_resolvers *resolvers) {
    for (size_t i = 0; i < resolvers->count && pending->count < SERVERS_MOST; i++)
        pending->servers[pending->count++] = resolvers->items[i];
    return pending->count;
}

/** The host's own, as they are now. */
static void add_host_resolvers(struct pending *pending) {
    auto_close int file = open("/etc/resolv.conf", O_RDONLY | O_CLOEXEC);
    size_t size = 0;
    auto_free char *text = file < 0 ? NULL : read_all(file, 65536, &size);
    for (char *rest = text, *line; rest && (line = strsep(&rest, "\n"));) {
        char address[64];
        struct plan_resolver *resolver = &pending->servers[pending->count];
        if (pending->count < SERVERS_MOST && sscanf(line, "nameserver %63[0-9a-fA-F:.]", address) == 1 && plan_parse_resolver(address, resolver))
            pending->count++;
    }
}

/** The container's own resolvers, else those of the network it asked on, else the host's. */
static void choose_resolvers(struct pending *pending, const struct question_source *source) {
    const struct member *member = source->member;
    if (add_resolvers(pending, &member->plan.resolvers) > 0)
        return;
    for (size_t i = 0; i < member->plan.attachments.count; i++)
        if (member->bonds[i].network == source->network && add_resolvers(pending, &member->plan.attachments.items[i].resolvers) > 0)
            return;
    add_host_resolvers(pending);
}

static void free_pending(struct pending *pending) {
    struct netd *netd = pending->netd;
    for (struct pending **at = &netd->pending; *at; at = &(*at)->next)
        if (*at == pending) {
            *at = pending->next;
            break;
        }
    netd->pending_count--;
    watch_close(netd->epoll, &pending->watch);
    free(pending->bytes);
    free(pending);
}

static void deliver(struct pending *pending, const unsigned char *answer, size_t size) {
    if (pending->stream)
        names_stream_answer(pending->stream, answer, size);
    else
        sendto(pending->server->watch.fd, answer, size, MSG_DONTWAIT | MSG_NOSIGNAL, &pending->address.any, pending->address_size);
}

/** Nobody could be asked. */
static void give_up(struct pending *pending) {
    unsigned char bytes[DNS_UDP];
    struct dns_reply reply;
    unsigned char *query = pending->bytes + 2;
    query[0] = (unsigned char)(pending->question.id >> 8);
    query[1] = (unsigned char)pending->question.id;
    dns_begin(&reply, bytes, sizeof bytes, query, &pending->question, DNS_SERVER);
    deliver(pending, reply.bytes, reply.size);
    free_pending(pending);
}

static void answered(struct pending *pending, unsigned char *answer, size_t size) {
    answer[0] = (unsigned char)(pending->question.id >> 8);
    answer[1] = (unsigned char)pending->question.id;
    deliver(pending, answer, size);
    free_pending(pending);
}

static void upstream_ready(struct watch *watch, uint32_t events);

static int connect_to(struct pending *pending, const struct plan_resolver *resolver) {
    union netd_address address = {0};
    bool four = resolver->family == AF_INET;
    if (four) {
        address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(resolver->port)};
        memcpy(&address.v4.sin_addr, resolver->address, 4);
    } else {
        address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(resolver->port)};
        memcpy(&address.v6.sin6_addr, resolver->address, 16);
    }
    int type = pending->stream ? SOCK_STREAM : SOCK_DGRAM;
    int fd = socket(resolver->family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    pending->watch = (struct watch){.fd = fd, .ready = upstream_ready, .owner = pending};
    if (fd < 0 || (connect(fd, &address.any, four ? sizeof address.v4 : sizeof address.v6) < 0 && errno != EINPROGRESS))
        return -1;
    if (type == SOCK_DGRAM && send(fd, pending->bytes + 2, pending->query_size, MSG_NOSIGNAL) < 0)
        return -1;
    return watch_set(pending->netd->epoll, &pending->watch, type == SOCK_DGRAM ? EPOLLIN : EPOLLOUT);
}

/** Asks the next resolver, each with an id of its own, so that what a stranger guesses for one is of no use for another. */
static void ask_next(struct pending *pending) {
    while (pending->tried < pending->count * ROUNDS) {
        const struct plan_resolver *resolver = &pending->servers[pending->tried++ % pending->count];
        uint16_t id = 0;
        watch_close(pending->netd->epoll, &pending->watch);
        if (getrandom(&id, sizeof id, 0) != (ssize_t)sizeof id)
            break;
        pending->bytes[0] = (unsigned char)(pending->query_size >> 8);
        pending->bytes[1] = (unsigned char)pending->query_size;
        pending->bytes[2] = (unsigned char)(id >> 8);
        pending->bytes[3] = (unsigned char)id;
        pending->done = 0;
        pending->total = 2 + pending->query_size;
        pending->reading = false;
        pending->deadline = monotonic_ms() + TRY_MS;
        if (connect_to(pending, resolver) == 0)
            return;
    }
    give_up(pending);
}

static void read_datagram(struct pending *pending) {
    unsigned char bytes[DNS_UDP_LARGEST];
    ssize_t got = recv(pending->watch.fd, bytes, sizeof bytes, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got < 0) /* nobody listens there */
        ask_next(pending);
    else if (dns_answers(bytes, (size_t)got, pending->bytes + 2, &pending->question))
        answered(pending, bytes, (size_t)got);
}

/** The answer goes behind the query, which it is compared with. */
static void read_stream(struct pending *pending) {
    unsigned char *answer = pending->bytes + 2 + pending->query_size;
    ssize_t got = recv(pending->watch.fd, answer + pending->done, pending->total - pending->done, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        ask_next(pending);
        return;
    }
    pending->done += (size_t)got;
    if (pending->done == 2 && pending->total == 2)
        pending->total = 2 + ((size_t)answer[0] << 8 | answer[1]);
    if (pending->done < pending->total || pending->total == 2)
        return;
    if (dns_answers(answer + 2, pending->total - 2, pending->bytes + 2, &pending->question))
        answered(pending, answer + 2, pending->total - 2);
    else
        ask_next(pending);
}

static void write_stream(struct pending *pending) {
    ssize_t sent = send(pending->watch.fd, pending->bytes + pending->done, pending->total - pending->done, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (sent < 0) {
        ask_next(pending);
        return;
    }
    pending->done += (size_t)sent;
    if (pending->done < pending->total)
        return;
    pending->reading = true;
    pending->done = 0;
    pending->total = 2;
    watch_set(pending->netd->epoll, &pending->watch, EPOLLIN);
}

static void upstream_ready(struct watch *watch, uint32_t events) {
    struct pending *pending = watch->owner;
    (void)events;
    if (!pending->stream)
        read_datagram(pending);
    else if (pending->reading)
        read_stream(pending);
    else
        write_stream(pending);
}

bool forward_query(struct netd *netd, const struct question_source *source) {
    struct pending *pending = netd->pending_count < PENDING_MOST ? calloc(1, sizeof *pending) : NULL;
    size_t answer = source->stream ? 2 + DNS_MESSAGE : 0;
    unsigned char *bytes = pending ? malloc(2 + source->size + answer) : NULL;
    if (!bytes) {
        free(pending);
        return false;
    }
    *pending = (struct pending){.next = netd->pending, .watch = {.fd = -1}, .netd = netd, .question = *source->question, .server = source->server, .address_size = source->address_size,
                                .stream = source->stream, .bytes = bytes, .query_size = source->size};
    if (source->address)
        pending->address = *source->address;
    memcpy(bytes + 2, source->query, source->size);
    choose_resolvers(pending, source);
    if (pending->count == 0) {
        free(bytes);
        free(pending);
        return false;
    }
    netd->pending = pending;
    netd->pending_count++;
    ask_next(pending);
    return true;
}

int forward_delay(const struct netd *netd, int64_t now) {
    int64_t first = -1;
    for (const struct pending *pending = netd->pending; pending; pending = pending->next)
        if (first < 0 || pending->deadline < first)
            first = pending->deadline;
    return first < 0 ? -1 : first < now ? 0 : (int)(first - now);
}

void forward_expire(struct netd *netd, int64_t now) {
    for (struct pending *pending = netd->pending, *next; pending; pending = next) {
        next = pending->next;
        if (now >= pending->deadline)
            ask_next(pending);
    }
}

void forward_drop(struct netd *netd, const struct dns_server *server, const struct stream *stream) {
    for (struct pending *pending = netd->pending, *next; pending; pending = next) {
        next = pending->next;
        if ((server && pending->server == server) || (stream && pending->stream == stream))
            free_pending(pending);
    }
}
