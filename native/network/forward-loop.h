/* What the parts of the port forwarder share: one epoll set, and sources of events in it. */
#ifndef CORACLE_FORWARD_LOOP_H
#define CORACLE_FORWARD_LOOP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "plan/plan.h"

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

struct forwarder;

/** Something in the epoll set; embedded in what it belongs to. */
struct source {
    void (*ready)(struct forwarder *forwarder, struct source *source, uint32_t events);
};

struct connection;
struct session;

/** Where in the container a service listens; `size` is 0 while the container has no such address. */
struct target {
    union address address;
    socklen_t size;
};

enum { TARGETS = 2 };

/** One published port. */
struct published {
    struct source source;
    int listener;
    bool udp;
    const struct plan_port *wanted;
    /** By IPv4 and by IPv6. */
    struct target targets[TARGETS];
    /** UDP: sessions of clients, most recently used first. */
    struct session *sessions;
    size_t session_count;
};

struct forwarder {
    int epoll;
    struct published *ports;
    size_t port_count;
    /** Closed while events of the same batch may still name them; freed after it. */
    struct connection *dead;
    struct session *dead_sessions;
    char *datagram;
    /** Clients' addresses can be shown to the container; rtnetlink of its network (-1: the kernel gave none). */
    bool shows_source;
    int netlink;
};

int forward_watch(struct forwarder *forwarder, int fd, uint32_t events, struct source *source);

/** Which target is asked first for a client, and which (also -1, none) when nobody listens there. */
int forward_target(const struct forwarder *forwarder, struct published *port, const union address *client);
int forward_other_target(const struct published *port, int target);

/** Whether an address is the container's own by now; true where that cannot be asked. */
bool source_is_here(int netlink, const union address *address);
/** Prepares the network namespace we are in for source_assume, by rtnetlink; false where the kernel does not let us. */
bool source_prepare(int netlink);
/** Has the socket connect from the client's address; false when it cannot, and then it is of no use. */
bool source_assume(int fd, const union address *client, const union address *target);
/** Has what a service sends to a client by UDP come to the socket that assumed the client's address, until that is taken back. */
bool source_return(int netlink, const union address *client, const union address *target);
void source_return_end(int netlink, const union address *client, const union address *target);

/** Accepts connections of a TCP listener. */
void tcp_accept(struct forwarder *forwarder, struct source *source, uint32_t events);
void tcp_free_dead(struct forwarder *forwarder);

enum { DATAGRAM_MAX = 65536, SESSION_IDLE_MS = 120000 };

/** Passes datagrams of clients on. */
void udp_receive(struct forwarder *forwarder, struct source *source, uint32_t events);
/** Asks for what replies need to know of each datagram. */
void udp_prepare(int listener);
void udp_free_dead(struct forwarder *forwarder);
/** Ends sessions that were idle too long. True while there are sessions. */
bool udp_expire(struct forwarder *forwarder);

#endif
