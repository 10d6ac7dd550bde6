#define _GNU_SOURCE
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "netd.h"

enum { STREAM_IDLE_MS = 10000, STREAMS_OF_NETWORK = 32, ID_SHORTEST = 12 };

/** Names may be asked for below this domain, which never leaves the host. */
static const char domain[] = ".coracle.internal";

/** What is known of who asks. */
struct asker {
    struct netd *netd;
    struct network *network;
    struct member *member;
};

static bool is_named(const struct member *member, size_t index, const char *name) {
    const struct strings *names = &member->plan.attachments.items[index].names;
    size_t length = strlen(name);
    for (size_t i = 0; i < names->count; i++)
        if (strcasecmp(names->items[i], name) == 0)
            return true;
    return length >= ID_SHORTEST && strncmp(member->plan.id, name, length) == 0;
}

/** Adds the addresses that a name has on one network; false when nobody there has it. Who is told first changes from answer to answer. */
static bool add_named(const struct netd *netd, const struct network *network, const char *name, unsigned type, struct dns_reply *reply) {
    const struct plan_address *found[64];
    size_t count = 0;
    bool known = false;
    for (const struct member *member = netd->members; member; member = member->next)
        for (size_t i = 0; i < member->plan.attachments.count; i++) {
            if (member->bonds[i].network != network || !is_named(member, i, name))
                continue;
            known = true;
            const struct plan_address *own = &member->plan.attachments.items[i].own[type == DNS_AAAA ? 1 : 0];
            if ((type == DNS_A || type == DNS_AAAA) && own->family && count < N_ELEMENTS(found))
                found[count++] = own;
        }
    for (size_t i = 0; i < count; i++)
        dns_add_address(reply, found[(i + netd->turn) % count]->bytes, type == DNS_AAAA ? 16 : 4);
    return known;
}

static bool on_network(const struct member *member, const struct network *network) {
    for (size_t i = 0; i < member->plan.attachments.count; i++)
        if (member->bonds[i].network == network)
            return true;
    return false;
}

/** The network that was asked on comes first, then the others that the asker is on. */
static bool find_name(const struct asker *asker, const char *name, unsigned type, struct dns_reply *reply) {
    bool known = add_named(asker->netd, asker->network, name, type, reply);
    for (const struct network *network = asker->netd->networks; network; network = network->next)
        if (network != asker->network && on_network(asker->member, network))
            known = add_named(asker->netd, network, name, type, reply) || known;
    return known;
}

static bool within(const struct plan_address *subnet, const unsigned char *address, size_t size) {
    if (subnet->family != (size == 4 ? AF_INET : AF_INET6))
        return false;
    unsigned bytes = subnet->bits / 8, rest = subnet->bits % 8;
    if (memcmp(subnet->bytes, address, bytes) != 0)
        return false;
    return rest == 0 || (subnet->bytes[bytes] ^ address[bytes]) >> (8 - rest) == 0;
}

/** A pointer to a name: true when the address is of one of the asker's networks, whether somebody has it or not. */
static bool find_address(const struct asker *asker, const char *name, struct dns_reply *reply) {
    unsigned char address[16];
    size_t size = dns_reverse(name, address);
    bool ours = false;
    for (const struct network *network = size ? asker->netd->networks : NULL; network; network = network->next) {
        if (!on_network(asker->member, network) || !within(&network->gateway[size == 4 ? 0 : 1], address, size))
            continue;
        ours = true;
        const struct member *member = networks_member(asker->netd, network, address, size);
        for (size_t i = 0; member && i < member->plan.attachments.count; i++)
            if (member->bonds[i].network == network && member->plan.attachments.items[i].names.count > 0)
                dns_add_pointer(reply, member->plan.attachments.items[i].names.items[0]);
    }
    return ours;
}

/** Answers from what we know. False: others are to be asked. */
static bool answer_local(const struct asker *asker, const unsigned char *query, const struct dns_question *question, struct dns_reply *reply) {
    char name[DNS_NAME];
    size_t length = strlen(question->name), suffix = strlen(domain);
    bool below = length > suffix && strcmp(question->name + length - suffix, domain) == 0;
    memcpy(name, question->name, sizeof name);
    if (below)
        name[length - suffix] = 0;
    asker->netd->turn++;
    if (question->type == DNS_PTR && find_address(asker, name, reply)) {
        if (reply->count == 0)
            dns_begin(reply, reply->bytes, reply->room, query, question, DNS_UNKNOWN);
        return true;
    }
    if (find_name(asker, name, question->type, reply))
        return true;
    if (!below && (asker->member->plan.elsewhere || networks_reach_out(asker->member)))
        return false;
    dns_begin(reply, reply->bytes, reply->room, query, question, DNS_UNKNOWN);
    return true;
}

/** The answer to a query that came on `network`, in `reply`. False: it is on its way to others, or nobody waits for one. */
static bool answer(struct netd *netd, struct network *network, struct question_source *source, const unsigned char *address, size_t size, struct dns_reply *reply) {
    struct dns_question question;
    struct asker asker = {netd, network, networks_member(netd, network, address, size)};
    unsigned char *bytes = reply->bytes;
    int code = dns_parse(source->query, source->size, &question);
    if (code < 0)
        return false;
    size_t room = source->stream ? reply->room : question.room;
    /* Who has no address of the network is told nothing: it forges one, or has left. */
    if (code == DNS_OK && !asker.member)
        code = DNS_REFUSED;
    dns_begin(reply, bytes, room, source->query, &question, code);
    if (code != DNS_OK || answer_local(&asker, source->query, &question, reply))
        return true;
    source->question = &question;
    source->member = asker.member;
    source->network = network;
    if (forward_query(netd, source))
        return false;
    dns_begin(reply, bytes, room, source->query, &question, DNS_SERVER);
    return true;
}

static const unsigned char *bytes_of(const union netd_address *address, size_t *size) {
    *size = address->any.sa_family == AF_INET6 ? 16 : 4;
    return *size == 16 ? address->v6.sin6_addr.s6_addr : (const unsigned char *)&address->v4.sin_addr;
}

static void datagram_ready(struct watch *watch, uint32_t events) {
    struct dns_server *server = watch->owner;
    unsigned char query[DNS_UDP_LARGEST], bytes[DNS_UDP_LARGEST];
    struct dns_reply reply = {.bytes = bytes, .room = sizeof bytes};
    union netd_address from = {0};
    socklen_t length = sizeof from;
    size_t size;
    (void)events;
    ssize_t got = recvfrom(watch->fd, query, sizeof query, 0, &from.any, &length);
    if (got < 0)
        return;
    struct question_source source = {.query = query, .size = (size_t)got, .server = server, .address = &from, .address_size = length};
    const unsigned char *address = bytes_of(&from, &size);
    if (answer(server->netd, server->network, &source, address, size, &reply))
        sendto(watch->fd, reply.bytes, reply.size, MSG_DONTWAIT | MSG_NOSIGNAL, &from.any, length);
}

static void close_stream(struct stream *stream) {
    struct netd *netd = stream->netd;
    forward_drop(netd, NULL, stream);
    for (struct stream **at = &netd->streams; *at; at = &(*at)->next)
        if (*at == stream) {
            *at = stream->next;
            break;
        }
    stream->network->streams--;
    watch_close(netd->epoll, &stream->watch);
    free(stream->bytes);
    free(stream);
}

/** Length and query; more comes only when this one is answered. */
static void read_query(struct stream *stream) {
    ssize_t got = recv(stream->watch.fd, stream->bytes + stream->size, stream->total - stream->size, MSG_DONTWAIT);
    if (got <= 0) {
        if (got == 0 || (errno != EAGAIN && errno != EINTR))
            close_stream(stream);
        return;
    }
    stream->size += (size_t)got;
    if (stream->size < stream->total)
        return;
    if (!stream->asked) {
        stream->asked = true;
        stream->total = 2 + ((size_t)stream->bytes[0] << 8 | stream->bytes[1]);
        if (stream->total == 2)
            close_stream(stream);
        return;
    }
    auto_free unsigned char *bytes = malloc(DNS_MESSAGE);
    struct dns_reply reply = {.bytes = bytes, .room = DNS_MESSAGE};
    struct question_source source = {.query = stream->bytes + 2, .size = stream->total - 2, .stream = stream};
    watch_set(stream->netd->epoll, &stream->watch, 0); /* until it is answered */
    if (!bytes)
        close_stream(stream);
    else if (answer(stream->netd, stream->network, &source, stream->source, stream->source_size, &reply))
        names_stream_answer(stream, reply.bytes, reply.size);
}

static void write_answer(struct stream *stream) {
    ssize_t sent = send(stream->watch.fd, stream->bytes + stream->sent, stream->total - stream->sent, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
        close_stream(stream);
        return;
    }
    stream->sent += sent > 0 ? (size_t)sent : 0;
    if (stream->sent < stream->total)
        return;
    stream->answering = stream->asked = false;
    stream->size = 0;
    stream->total = 2;
    stream->deadline = monotonic_ms() + STREAM_IDLE_MS;
    watch_set(stream->netd->epoll, &stream->watch, EPOLLIN);
}

static void stream_ready(struct watch *watch, uint32_t events) {
    struct stream *stream = watch->owner;
    if (events & EPOLLIN && !stream->answering)
        read_query(stream);
    else if (events & EPOLLOUT && stream->answering)
        write_answer(stream);
    else
        close_stream(stream);
}

void names_stream_answer(struct stream *stream, const unsigned char *bytes, size_t size) {
    stream->bytes[0] = (unsigned char)(size >> 8);
    stream->bytes[1] = (unsigned char)size;
    memcpy(stream->bytes + 2, bytes, size);
    stream->total = size + 2;
    stream->sent = 0;
    stream->answering = true;
    watch_set(stream->netd->epoll, &stream->watch, EPOLLOUT);
}

static void connection_ready(struct watch *watch, uint32_t events) {
    struct dns_server *server = watch->owner;
    union netd_address from = {0};
    socklen_t length = sizeof from;
    (void)events;
    auto_close int fd = accept4(watch->fd, &from.any, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 || server->network->streams >= STREAMS_OF_NETWORK)
        return;
    struct stream *stream = calloc(1, sizeof *stream);
    unsigned char *bytes = stream ? malloc(2 + DNS_MESSAGE) : NULL;
    if (!bytes) {
        free(stream);
        return;
    }
    *stream = (struct stream){.next = server->netd->streams, .netd = server->netd, .network = server->network, .bytes = bytes, .total = 2, .deadline = monotonic_ms() + STREAM_IDLE_MS};
    const unsigned char *address = bytes_of(&from, &stream->source_size);
    memcpy(stream->source, address, stream->source_size);
    stream->watch = (struct watch){.fd = take_fd(&fd), .ready = stream_ready, .owner = stream};
    server->netd->streams = stream;
    server->network->streams++;
    if (watch_set(server->netd->epoll, &stream->watch, EPOLLIN) < 0)
        close_stream(stream);
}

static int open_server(struct dns_server *server, const struct plan_address *gateway, int type, struct failure *failure) {
    struct netd *netd = server->netd;
    union netd_address address = {0};
    const int on = 1;
    const char *bridge = server->network->bridge;
    bool four = gateway->family == AF_INET;
    if (four) {
        address.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(53)};
        memcpy(&address.v4.sin_addr, gateway->bytes, 4);
    } else {
        address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(53)};
        memcpy(&address.v6.sin6_addr, gateway->bytes, 16);
    }
    int fd = holder_socket(&netd->holder, gateway->family, type | SOCK_NONBLOCK, 0);
    server->watch = (struct watch){.fd = fd, .ready = type == SOCK_DGRAM ? datagram_ready : connection_ready, .owner = server};
    /* Only from this network: the address can be reached from the others of a host that forwards. */
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, bridge, (socklen_t)strlen(bridge)) < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) < 0 ||
        bind(fd, &address.any, four ? sizeof address.v4 : sizeof address.v6) < 0 || (type == SOCK_STREAM && listen(fd, 32) < 0) || watch_set(netd->epoll, &server->watch, EPOLLIN) < 0)
        return fail(failure, "network", errno, "name server of network %s", server->network->id);
    return 0;
}

int names_serve(struct netd *netd, struct network *network, struct failure *failure) {
    (void)netd;
    for (size_t i = 0; i < SERVERS; i++) {
        const struct plan_address *gateway = &network->gateway[i / 2];
        if (gateway->family && open_server(&network->servers[i], gateway, i % 2 ? SOCK_STREAM : SOCK_DGRAM, failure) < 0)
            return -1;
    }
    return 0;
}

void names_stop(struct netd *netd, struct network *network) {
    for (struct stream *stream = netd->streams, *next; stream; stream = next) {
        next = stream->next;
        if (stream->network == network)
            close_stream(stream);
    }
    for (size_t i = 0; i < SERVERS; i++) {
        forward_drop(netd, &network->servers[i], NULL);
        watch_close(netd->epoll, &network->servers[i].watch);
    }
}

bool names_expire(struct netd *netd, int64_t now) {
    for (struct stream *stream = netd->streams, *next; stream; stream = next) {
        next = stream->next;
        if (now >= stream->deadline)
            close_stream(stream);
    }
    return netd->streams != NULL;
}
