#define _GNU_SOURCE
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "forward-loop.h"

enum { EVENTS = 64, SWEEP_MS = 10000, EXIT_BROKEN = 125 };

int forward_watch(struct forwarder *forwarder, int fd, uint32_t events, struct source *source) {
    struct epoll_event event = {.events = events, .data.ptr = source};
    if (epoll_ctl(forwarder->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    return errno == EEXIST ? epoll_ctl(forwarder->epoll, EPOLL_CTL_MOD, fd, &event) : -1;
}

/*
 * The container's own address, never 127.0.0.1: a service must be able to tell a forwarded client from a local one. Without one in the
 * plan, what the container would use to reach the world: connecting a datagram socket sends nothing.
 */
static bool own_address(struct target *target) {
    struct sockaddr_in world = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc6336401)};
    socklen_t size = sizeof target->address.v4;
    in_port_t number = target->address.v4.sin_port;
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&world, sizeof world) < 0 || getsockname(fd, &target->address.any, &size) < 0)
        return false;
    target->address.v4.sin_port = number;
    target->size = size;
    return true;
}

static bool set_target(struct target *target, const char *address, uint16_t number) {
    in_port_t port = htons(number);
    *target = (struct target){.address.v4 = {.sin_family = AF_INET, .sin_port = port}};
    if (inet_pton(AF_INET, address, &target->address.v4.sin_addr) == 1) {
        target->size = sizeof target->address.v4;
        return true;
    }
    target->address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = port};
    target->size = sizeof target->address.v6;
    return inet_pton(AF_INET6, address, &target->address.v6.sin6_addr) == 1;
}

/** The first target is the container's address, of whatever family; the second one is of IPv6. */
static bool wanted_target(const struct plan_port *wanted, int index, struct target *target) {
    const char *first = wanted->container_address, *second = wanted->container_address6;
    bool chosen = first && *first;
    if (index > 0)
        return second && !(chosen && strchr(first, ':')) && set_target(target, second, wanted->container_port);
    if (chosen)
        return set_target(target, first, wanted->container_port);
    *target = (struct target){.address.v4 = {.sin_family = AF_INET, .sin_port = htons(wanted->container_port)}};
    return own_address(target);
}

/**
 * The helper gives the network namespace its addresses while we serve already. The kernel takes an address of IPv6 as its own a moment after
 * its subnet is routed: who connects in between looks for a neighbour of that address, for three seconds.
 */
static void find_targets(const struct forwarder *forwarder, struct published *port) {
    for (int i = 0; i < TARGETS; i++) {
        struct target target;
        if (port->targets[i].size == 0 && wanted_target(port->wanted, i, &target) && source_is_here(forwarder->netlink, &target.address))
            port->targets[i] = target;
    }
}

int forward_target(const struct forwarder *forwarder, struct published *port, const union address *client) {
    int found = -1;
    find_targets(forwarder, port);
    for (int i = 0; i < TARGETS; i++) {
        if (port->targets[i].size == 0)
            continue;
        if (port->targets[i].address.any.sa_family == client->any.sa_family)
            return i;
        found = found < 0 ? i : found;
    }
    return found;
}

int forward_other_target(const struct published *port, int target) {
    return port->targets[1 - target].size > 0 ? 1 - target : -1;
}

static int compare_numbers(const void *left, const void *right) {
    return *(const int *)left - *(const int *)right;
}

/* Descriptors of A (mounts, channels) must not live on here. */
static int keep_only(const int *listeners, size_t count, int netns) {
    auto_free int *kept = calloc(count + 1, sizeof *kept);
    unsigned next = 3;
    if (!kept)
        return -1;
    memcpy(kept, listeners, count * sizeof *kept);
    kept[count] = netns;
    qsort(kept, count + 1, sizeof *kept, compare_numbers);
    for (size_t i = 0; i <= count; i++) {
        if (kept[i] < (int)next)
            continue;
        if ((unsigned)kept[i] > next && sys_close_range(next, (unsigned)kept[i] - 1, 0) < 0)
            return -1;
        next = (unsigned)kept[i] + 1;
    }
    return sys_close_range(next, ~0U, 0);
}

/** Of all capabilities it keeps the one that sockets with a client's address need, in the container's network alone. */
static int confine(struct forwarder *forwarder, int netns) {
    struct rlimit files;
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct kept[2] = {{0}};
    if (netns >= 0 && setns(netns, CLONE_NEWNET) < 0)
        return -1;
    forwarder->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    forwarder->shows_source = netns >= 0 && forwarder->netlink >= 0 && source_prepare(forwarder->netlink);
    if (forwarder->shows_source)
        kept[0].effective = kept[0].permitted = 1U << CAP_NET_ADMIN;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    prctl(PR_SET_NAME, "coracle-forward");
    if (syscall(SYS_capset, &header, kept) < 0)
        return -1;
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

static int open_ports(struct forwarder *forwarder, const struct plan *plan, const int *listeners) {
    for (size_t i = 0; i < forwarder->port_count; i++) {
        struct published *port = &forwarder->ports[i];
        port->listener = listeners[i];
        port->wanted = &plan->ports.items[i];
        port->udp = plan->ports.items[i].udp;
        port->source.ready = port->udp ? udp_receive : tcp_accept;
        if (port->udp)
            udp_prepare(port->listener);
        else
            listen(port->listener, 4096); /* bound and listening already: only the length of the queue changes */
        fcntl(port->listener, F_SETFL, fcntl(port->listener, F_GETFL) | O_NONBLOCK);
        if (forward_watch(forwarder, port->listener, EPOLLIN, &port->source) < 0)
            return -1;
    }
    return 0;
}

static _Noreturn void serve(struct forwarder *forwarder) {
    struct epoll_event events[EVENTS];
    int timeout = -1;
    for (;;) {
        int count = epoll_wait(forwarder->epoll, events, EVENTS, timeout);
        for (int i = 0; i < count; i++) {
            struct source *source = events[i].data.ptr;
            source->ready(forwarder, source, events[i].events);
        }
        tcp_free_dead(forwarder);
        timeout = udp_expire(forwarder) ? SWEEP_MS : -1;
        udp_free_dead(forwarder);
    }
}

int forward_main(const struct plan *plan, const int *listeners, size_t count, int netns) {
    struct forwarder forwarder = {.port_count = count};
    signal(SIGPIPE, SIG_IGN);
    if (keep_only(listeners, count, netns) < 0 || confine(&forwarder, netns) < 0)
        return EXIT_BROKEN;
    forwarder.ports = calloc(count, sizeof *forwarder.ports);
    forwarder.datagram = malloc(DATAGRAM_MAX);
    forwarder.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (!forwarder.ports || !forwarder.datagram || forwarder.epoll < 0 || open_ports(&forwarder, plan, listeners) < 0)
        return EXIT_BROKEN;
    serve(&forwarder);
}
