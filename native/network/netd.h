/* netd: one process per store and user while containers are on user-defined networks. It stays outside of every namespace, as the owner
 * of those it configures: netd.c serves the supervisors and ends when they are gone, netd-networks.c makes bridges and puts containers on
 * them, netd-names.c answers DNS queries, netd-forward.c passes on what is of no container. */
#ifndef CORACLE_NETD_H
#define CORACLE_NETD_H

#include <netinet/in.h>

#include "base/loop.h"
#include "dns.h"
#include "holder.h"
#include "plan/plan.h"

struct netd;
struct network;

union netd_address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/** A socket on the gateway's address of a network, for IPv4 or IPv6, UDP or TCP. */
struct dns_server {
    struct watch watch;
    struct netd *netd;
    struct network *network;
};

enum { SERVERS = 4 };

/** A network with at least one container on it. */
struct network {
    struct network *next;
    char id[13], bridge[16];
    int index;
    bool internal;
    unsigned users, streams;
    struct plan_address gateway[2];
    struct dns_server servers[SERVERS];
};

/** A container's interface on a network: of the plan's attachment with the same index. */
struct bond {
    struct network *network;
    char pair[16];
};

/** The connection of a supervisor, and what its container is on. */
struct member {
    struct member *next;
    struct watch watch;
    struct netd *netd;
    int netns, netlink;
    struct plan plan;
    struct bond *bonds;
    bool waiting;
    char warning[256];
};

enum uplink { UPLINK_NONE, UPLINK_STARTING, UPLINK_READY, UPLINK_FAILED };

struct netd {
    const struct plan *plan;
    int epoll, directory, lock;
    struct watch listener, signals, channel;
    bool held;
    struct holder holder;
    /** rtnetlink of the holder's namespace. */
    int netlink;
    enum uplink uplink;
    char uplink_problem[200];
    struct network *networks;
    struct member *members;
    struct stream *streams;
    struct pending *pending;
    unsigned pairs, pending_count, turn;
    int64_t idle_since;
};

int netd_main(int argc, char **argv);

/* netd-networks.c */
/** Makes the member's interfaces those of `wanted`, which it takes over; what is the same stays. On -1 what was made before stays too. */
int networks_apply(struct member *member, struct plan *wanted, struct failure *failure);
/** Takes the member off its networks. */
void networks_leave(struct member *member);
/** The container with this address on the network, NULL for none. `family` 4 or 6 as the size of the address. */
struct member *networks_member(const struct netd *netd, const struct network *network, const unsigned char *address, size_t size);
/** Whether one of the member's networks leads to the world. */
bool networks_reach_out(const struct member *member);

/* netd-names.c */
/** Opens the servers of a network; -1 when one cannot be. */
int names_serve(struct netd *netd, struct network *network, struct failure *failure);
void names_stop(struct netd *netd, struct network *network);
/** Streams that were idle too long; true while there are streams. */
bool names_expire(struct netd *netd, int64_t now);

/** A TCP connection of a container that asks; one question at a time. */
struct stream {
    struct stream *next;
    struct watch watch;
    struct netd *netd;
    struct network *network;
    unsigned char source[16];
    size_t source_size;
    unsigned char *bytes;
    size_t size, sent, total;
    bool answering, asked;
    int64_t deadline;
};
/** Sends an answer with its length in front. */
void names_stream_answer(struct stream *stream, const unsigned char *answer, size_t size);

/* netd-forward.c */
struct question_source {
    const unsigned char *query;
    size_t size;
    const struct dns_question *question;
    /** Who asked; NULL where nobody is known. */
    const struct member *member;
    const struct network *network;
    /** By UDP: the server and the address; else the stream. */
    struct dns_server *server;
    const union netd_address *address;
    socklen_t address_size;
    struct stream *stream;
};
/** Passes a query on to the resolvers; false when there is none or too much is under way. */
bool forward_query(struct netd *netd, const struct question_source *source);
/** Milliseconds until forward_expire has something to do, -1: nothing. */
int forward_delay(const struct netd *netd, int64_t now);
void forward_expire(struct netd *netd, int64_t now);
/** Nobody waits for the answers any more. */
void forward_drop(struct netd *netd, const struct dns_server *server, const struct stream *stream);

#endif
