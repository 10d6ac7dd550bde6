#define _GNU_SOURCE
#include "netd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/message.h"
#include "base/seal.h"
#include "base/syscalls.h"
#include "firewall.h"
#include "supervisor/run.h"

enum { IDLE_MS = 2000, REQUEST_LARGEST = 128 * 1024, READY_FD = 3 };

/** `ok`, or `ok WARNING`, or `error TEXT`. */
static void tell(struct member *member, const char *word, const char *text) {
    char line[640];
    int length = snprintf(line, sizeof line, "%s%s%s", word, *text ? " " : "", text);
    send(member->watch.fd, line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void drop_member(struct member *member) {
    struct netd *netd = member->netd;
    for (struct member **at = &netd->members; *at; at = &(*at)->next)
        if (*at == member) {
            *at = member->next;
            break;
        }
    networks_leave(member);
    watch_close(netd->epoll, &member->watch);
    drop_fd(&member->netns);
    drop_fd(&member->netlink);
    free(member);
    if (!netd->members)
        netd->idle_since = monotonic_ms();
}

/** Those who wait for the uplink are told how it went. */
static void uplink_decided(struct netd *netd) {
    for (struct member *member = netd->members; member; member = member->next)
        if (member->waiting) {
            member->waiting = false;
            tell(member, "ok", netd->uplink == UPLINK_FAILED ? netd->uplink_problem : "");
        }
}

static void uplink_failed(struct netd *netd, const struct failure *failure) {
    netd->uplink = UPLINK_FAILED;
    snprintf(netd->uplink_problem, sizeof netd->uplink_problem, "uplink: containers reach each other, but not the world: %.100s%s%.60s", failure->object, failure->number ? ": " : "",
             failure->number ? strerror(failure->number) : "");
    uplink_decided(netd);
}

/** What the holder says. Without it there are no networks; the supervisors start another one of us. */
static void holder_ready(struct watch *watch, uint32_t events) {
    struct netd *netd = watch->owner;
    struct message message;
    size_t none = 0;
    (void)events;
    if (message_receive(watch->fd, &message, NULL, &none, NULL) <= 0)
        _exit(125);
    if (message.kind == MESSAGE_NETWORK) {
        netd->uplink = UPLINK_READY;
        uplink_decided(netd);
    }
    if (message.kind == MESSAGE_FAILURE)
        uplink_failed(netd, &message.failure);
}

static int hold(struct netd *netd, struct failure *failure) {
    if (netd->held)
        return 0;
    if (holder_start(netd->plan, &netd->holder, failure) < 0)
        return -1;
    netd->channel = (struct watch){.fd = netd->holder.channel, .ready = holder_ready, .owner = netd};
    netd->netlink = holder_socket(&netd->holder, AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);
    if (netd->netlink < 0 || watch_set(netd->epoll, &netd->channel, EPOLLIN) < 0)
        return fail(failure, "network", errno, "the holder of networks");
    netd->held = true;
    return 0;
}

static void start_uplink(struct netd *netd) {
    struct failure failure = {0};
    auto_close int netfilter = holder_socket(&netd->holder, AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER);
    if (!netd->plan->net_helper)
        fail(&failure, "network", 0, "neither pasta nor slirp4netns is there");
    else if (netfilter < 0 || firewall_load(netfilter) < 0)
        fail(&failure, "network", errno, "nftables");
    else if (holder_forward(&netd->holder, AF_INET) < 0)
        fail(&failure, "network", errno, "net.ipv4.ip_forward");
    else if (message_send(netd->holder.channel, &(struct message){.kind = MESSAGE_SPAWN}, NULL, 0) < 0)
        fail(&failure, "network", errno, "holder");
    /* Where sources of IPv6 cannot be checked, or it is off, nothing of it is passed on. */
    if (!failure.stage && firewall_check_sources(netfilter) == 0)
        holder_forward(&netd->holder, AF_INET6);
    netd->uplink = UPLINK_STARTING;
    if (failure.stage)
        uplink_failed(netd, &failure);
}

static void apply(struct member *member, struct plan *wanted) {
    struct netd *netd = member->netd;
    struct failure failure = {0};
    char text[640];
    if (hold(netd, &failure) < 0 || networks_apply(member, wanted, &failure) < 0) {
        snprintf(text, sizeof text, "%.300s%s%.200s", failure.object, failure.number ? ": " : "", failure.number ? strerror(failure.number) : "");
        tell(member, "error", text);
        return;
    }
    bool outward = networks_reach_out(member);
    if (outward && netd->uplink == UPLINK_NONE)
        start_uplink(netd);
    member->waiting = outward && netd->uplink == UPLINK_STARTING;
    if (!member->waiting)
        tell(member, "ok", outward && netd->uplink == UPLINK_FAILED ? netd->uplink_problem : "");
}

/** A plan of kind network; the first one comes with the container's network namespace and a netlink socket in it. */
static void member_ready(struct watch *watch, uint32_t events) {
    struct member *member = watch->owner;
    struct plan wanted = {0};
    struct failure failure = {0};
    int fds[2] = {-1, -1};
    size_t count = 2;
    (void)events;
    char *buffer = malloc(REQUEST_LARGEST + 1);
    ssize_t got = buffer ? receive_fds(watch->fd, buffer, REQUEST_LARGEST, fds, &count, NULL) : -1;
    if (got <= 0) {
        free(buffer);
        drop_member(member);
        return;
    }
    if (member->netns < 0 && count == 2) {
        member->netns = take_fd(&fds[0]);
        member->netlink = take_fd(&fds[1]);
    }
    drop_fd(&fds[0]);
    drop_fd(&fds[1]);
    if (plan_parse(buffer, (size_t)got, PLAN_NETWORK, &wanted, &failure) < 0 || member->netns < 0)
        tell(member, "error", failure.stage ? failure.object : "no network namespace");
    else
        apply(member, &wanted);
    plan_free(&wanted);
}

static void accept_member(struct netd *netd) {
    auto_close int fd = accept4(netd->listener.fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 && (errno == EMFILE || errno == ENFILE))
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL); /* the listener stays ready: do not spin on it */
    struct member *member = fd < 0 || peer_uid(fd) != geteuid() ? NULL : calloc(1, sizeof *member);
    if (!member)
        return;
    *member = (struct member){.next = netd->members, .netd = netd, .netns = -1, .netlink = -1};
    member->watch = (struct watch){.fd = take_fd(&fd), .ready = member_ready, .owner = member};
    netd->members = member;
    if (watch_set(netd->epoll, &member->watch, EPOLLIN) < 0)
        drop_member(member);
}

static void listener_ready(struct watch *watch, uint32_t events) {
    (void)events;
    accept_member(watch->owner);
}

static void child_ready(struct watch *watch, uint32_t events) {
    struct signalfd_siginfo drained[8];
    (void)events;
    while (read(watch->fd, drained, sizeof drained) > 0)
        continue;
    while (waitpid(-1, NULL, WNOHANG) > 0)
        continue; /* of the holder's end its channel tells */
}

static int listen_here(struct netd *netd, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    netd->directory = open(netd->plan->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    netd->lock = netd->directory < 0 ? -1 : openat(netd->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (netd->lock < 0 || flock(netd->lock, LOCK_EX | LOCK_NB) < 0)
        return fail(failure, "network", errno, "%s/lock", netd->plan->directory);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/s", netd->directory);
    unlinkat(netd->directory, "s", 0); /* what one that was killed has left: we have the lock */
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    netd->listener = (struct watch){.fd = fd, .ready = listener_ready, .owner = netd};
    umask(0177);
    bool listens = fd >= 0 && bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && listen(fd, 128) == 0;
    umask(077);
    return !listens || watch_set(netd->epoll, &netd->listener, EPOLLIN) < 0 ? fail(failure, "network", errno, "%s/s", netd->plan->directory) : 0;
}

static int watch_children(struct netd *netd, struct failure *failure) {
    sigset_t signals;
    sigfillset(&signals);
    sigdelset(&signals, SIGTERM);
    sigprocmask(SIG_SETMASK, &signals, NULL);
    sigemptyset(&signals);
    sigaddset(&signals, SIGCHLD);
    netd->signals = (struct watch){.fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK), .ready = child_ready, .owner = netd};
    return netd->signals.fd < 0 || watch_set(netd->epoll, &netd->signals, EPOLLIN) < 0 ? fail(failure, "network", errno, "signalfd") : 0;
}

/**
 * Nobody needs us. Who wants to connect holds the lock `start` meanwhile: we go only while we have it, so that nobody connects to a process
 * that is about to end.
 */
static void leave_if_idle(struct netd *netd, int64_t now) {
    if (netd->members || now < netd->idle_since + IDLE_MS)
        return;
    auto_close int start = openat(netd->directory, "start", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (start < 0 && errno == ENOENT)
        _exit(0); /* the directory was removed: nobody finds us any more */
    if (start >= 0 && flock(start, LOCK_EX | LOCK_NB) == 0) {
        accept_member(netd);
        if (!netd->members) {
            unlinkat(netd->directory, "s", 0);
            _exit(0);
        }
    }
    netd->idle_since = now;
}

static int next_delay(const struct netd *netd, int64_t now) {
    int64_t delay = forward_delay(netd, now);
    if (!netd->members && (delay < 0 || delay > netd->idle_since + IDLE_MS - now))
        delay = netd->idle_since + IDLE_MS - now;
    if (netd->streams && (delay < 0 || delay > 1000))
        delay = 1000;
    return delay < -1 ? 0 : (int)delay;
}

static _Noreturn void serve(struct netd *netd) {
    netd->idle_since = monotonic_ms();
    for (;;) {
        if (loop_once(netd->epoll, next_delay(netd, monotonic_ms())) < 0)
            _exit(125);
        int64_t now = monotonic_ms();
        forward_expire(netd, now);
        names_expire(netd, now);
        leave_if_idle(netd, now);
    }
}

/** Three descriptors for each container: the usual limit would be reached by some three hundred. */
static void raise_limit(void) {
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/** `coracle-sv netd PLANFILE`; descriptor 3 gets a byte when it listens, or a line that says why not. */
int netd_main(int argc, char **argv) {
    struct failure failure = {0};
    struct plan plan = {0};
    char text[900];
    fcntl(READY_FD, F_SETFD, 0);
    if (argc != 3 || seal_self(argv, &failure) < 0)
        return 125;
    struct netd netd = {.plan = &plan, .epoll = epoll_create1(EPOLL_CLOEXEC), .directory = -1, .lock = -1, .netlink = -1, .listener = {.fd = -1}};
    fcntl(READY_FD, F_SETFD, FD_CLOEXEC);
    prctl(PR_SET_NAME, "coracle-netd");
    prctl(PR_SET_DUMPABLE, 0);
    signal(SIGPIPE, SIG_IGN);
    raise_limit();
    umask(077);
    int file = open(argv[2], O_RDONLY | O_CLOEXEC);
    if (file < 0)
        fail(&failure, "network", errno, "%s", argv[2]);
    else
        plan_read(file, PLAN_HOLDER, &plan, &failure);
    drop_fd(&file);
    if (failure.stage || listen_here(&netd, &failure) < 0 || watch_children(&netd, &failure) < 0) {
        int length = snprintf(text, sizeof text, "%.500s: %.200s", failure.object, strerror(failure.number));
        write_full(READY_FD, text, (size_t)length);
        return 125;
    }
    write_full(READY_FD, "", 1);
    close(READY_FD);
    serve(&netd);
}
