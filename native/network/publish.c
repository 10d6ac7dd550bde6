#define _GNU_SOURCE
#include "publish.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

union address {
    struct sockaddr any;
    struct sockaddr_in four;
    struct sockaddr_in6 six;
};

static socklen_t parse_address(const struct plan_port *port, union address *address) {
    memset(address, 0, sizeof *address);
    if (strchr(port->host_address, ':')) {
        address->six.sin6_family = AF_INET6;
        address->six.sin6_port = htons(port->host_port);
        return inet_pton(AF_INET6, port->host_address, &address->six.sin6_addr) == 1 ? sizeof address->six : 0;
    }
    address->four.sin_family = AF_INET;
    address->four.sin_port = htons(port->host_port);
    if (!*port->host_address)
        return sizeof address->four;
    return inet_pton(AF_INET, port->host_address, &address->four.sin_addr) == 1 ? sizeof address->four : 0;
}

static int bind_one(const struct plan_port *port, struct failure *failure) {
    union address address;
    const int on = 1;
    const char *protocol = port->udp ? "udp" : "tcp";
    socklen_t size = parse_address(port, &address);
    if (size == 0)
        return fail(failure, "publish", EINVAL, "%s:%u/%s", port->host_address, port->host_port, protocol);
    auto_close int fd = socket(address.any.sa_family, (port->udp ? SOCK_DGRAM : SOCK_STREAM) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return fail(failure, "publish", errno, "socket");
    if (!port->udp)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address.any.sa_family == AF_INET6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, &address.any, size) < 0 || (!port->udp && listen(fd, 1024) < 0))
        return fail(failure, "publish", errno, "%s:%u/%s", *port->host_address ? port->host_address : "0.0.0.0", port->host_port, protocol);
    return take_fd(&fd);
}

int publish_bind(const struct plan *plan, int *listeners, struct failure *failure) {
    for (size_t i = 0; i < plan->ports.count; i++) {
        if ((listeners[i] = bind_one(&plan->ports.items[i], failure)) >= 0)
            continue;
        while (i > 0)
            drop_fd(&listeners[--i]);
        return -1;
    }
    return 0;
}

uint16_t publish_port(int listener) {
    union address address = {0};
    socklen_t size = sizeof address;
    if (getsockname(listener, &address.any, &size) < 0)
        return 0;
    return ntohs(address.any.sa_family == AF_INET6 ? address.six.sin6_port : address.four.sin_port);
}

size_t publish_text(const struct plan *plan, const uint16_t *bound, char *out, size_t room) {
    size_t length = 0;
    out[0] = 0;
    for (size_t i = 0; i < plan->ports.count && length < room; i++) {
        const struct plan_port *port = &plan->ports.items[i];
        length += (size_t)snprintf(out + length, room - length, "%s %s %u %s %u\n", port->udp ? "udp" : "tcp", *port->host_address ? port->host_address : "0.0.0.0", bound[i],
                                   *port->container_address ? port->container_address : "-", port->container_port);
    }
    return length < room ? length : room - 1;
}
