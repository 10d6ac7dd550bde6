/* The attach frames S reads from its clients: bytes arrive over a socket as a client would send them. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "supervisor/client-io.h"
#include "supervisor/supervisor.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(const uint8_t *data, size_t size, bool lossless) {
    int ends[2], input[2];
    struct plan plan = {.stdin_mode = STDIN_ONCE, .tty = size > 0 && data[0] & 1};
    struct supervisor supervisor = {.plan = &plan, .pidfd = -1, .log = {.fd = -1}, .phase = PHASE_RUNNING, .record = {.directory = -1, .lock = -1}};
    cgroup_init(&supervisor.cgroup);
    supervisor.membership.link.fd = supervisor.membership.netns = supervisor.membership.netlink = -1;
    supervisor.channel.fd = -1;
    supervisor.epoll = epoll_create1(EPOLL_CLOEXEC);
    if (supervisor.epoll < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0 || pipe2(input, O_CLOEXEC) < 0)
        abort();
    relay_init(&supervisor.relay, supervisor.epoll, &supervisor);
    supervisor.relay.control = control_frame;
    supervisor.relay.stdin_once = true;
    supervisor.relay.log = &supervisor.log;
    relay_streams(&supervisor.relay, -1, -1, input[1]);
    relay_add(&supervisor.relay, ends[0], lossless);
    send(ends[1], data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    shutdown(ends[1], SHUT_WR);
    for (int i = 0; i < 4096 && loop_once(supervisor.epoll, 0) > 0; i++)
        continue;
    relay_broadcast(&supervisor.relay, FRAME_EXIT, "{}");
    relay_free(&supervisor.relay);
    membership_end(&supervisor);
    close(ends[1]);
    close(input[0]);
    close(supervisor.epoll);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 65536)
        return 0;
    run(data, size, false);
    run(data, size, true);
    return 0;
}
