#define _GNU_SOURCE
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "forward-loop.h"
#include "syscalls.h"

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
static bool own_address(struct published *port) {
    struct sockaddr_in world = {.sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(0xc6336401)};
    socklen_t size = sizeof port->target.v4;
    in_port_t number = port->target.v4.sin_port;
    auto_close int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&world, sizeof world) < 0 || getsockname(fd, &port->target.any, &size) < 0)
        return false;
    port->target.v4.sin_port = number;
    port->target_size = size;
    return true;
}

static bool set_target(struct published *port, const struct plan_port *wanted) {
    in_port_t number = htons(wanted->container_port);
    port->target.v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = number};
    port->target_size = sizeof port->target.v4;
    if (!wanted->container_address || !*wanted->container_address)
        return own_address(port);
    if (inet_pton(AF_INET, wanted->container_address, &port->target.v4.sin_addr) == 1)
        return true;
    port->target.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = number};
    port->target_size = sizeof port->target.v6;
    return inet_pton(AF_INET6, wanted->container_address, &port->target.v6.sin6_addr) == 1;
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
    forwarder->shows_source = netns >= 0 && source_prepare();
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

/* The helper gives the network namespace its address while we start: until then there may be none to find out. */
static void find_targets(struct forwarder *forwarder, const struct plan *plan) {
    for (size_t i = 0; i < forwarder->port_count; i++)
        if (forwarder->ports[i].target_size == 0 && !set_target(&forwarder->ports[i], &plan->ports.items[i]))
            forwarder->ports[i].target_size = 0;
}

static _Noreturn void serve(struct forwarder *forwarder, const struct plan *plan) {
    struct epoll_event events[EVENTS];
    int timeout = -1;
    for (;;) {
        int count = epoll_wait(forwarder->epoll, events, EVENTS, timeout);
        find_targets(forwarder, plan);
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
    serve(&forwarder, plan);
}
