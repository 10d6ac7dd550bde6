#define _GNU_SOURCE
#include "membership.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/message.h"
#include "base/syscalls.h"
#include "supervisor/client-io.h"
#include "supervisor/supervisor.h"

enum { REQUEST_LARGEST = 128 * 1024, FIRST_WAIT_MS = 50, LAST_WAIT_MS = 5000, PATIENCE = 6, READY_FD = 3 };

static _Noreturn void exec_holder(const char *plan, int ready) {
    char *const arguments[] = {(char *)"coracle-sv", (char *)"netd", (char *)(uintptr_t)plan, NULL};
    char *const environment[] = {NULL};
    setsid();
    if (null_stdio() < 0 || chdir("/") < 0 || (ready == READY_FD ? fcntl(ready, F_SETFD, 0) : dup2(ready, READY_FD)) < 0)
        _exit(125);
    sys_close_range(READY_FD + 1, ~0U, 0);
    reset_signals();
    execve("/proc/self/exe", arguments, environment);
    _exit(125);
}

/** Starts one that lives longer than we do; it says when it listens. */
static int start_holder(const struct membership_places *places, struct failure *failure) {
    char said[256] = "it ended at once";
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return fail(failure, "network", errno, "pipe");
    pid_t pid = fork();
    if (pid == 0)
        exec_holder(places->holder_plan, ends[1]);
    close(ends[1]);
    ssize_t got = pid < 0 ? -1 : read_full(ends[0], said, sizeof said - 1);
    close(ends[0]);
    if (got == 1 && said[0] == 0)
        return 0;
    if (got > 0)
        said[got] = 0;
    return fail(failure, "network", 0, "start the holder of networks: %s", said);
}

static int try_connect(int directory) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/s", directory);
    auto_close int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return take_fd(&fd);
}

/** With the lock `start` nobody else starts one, and the one that is there does not leave. */
static int connect_holder(const struct membership_places *places, struct failure *failure) {
    auto_close int directory = open(places->directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_close int start = directory < 0 ? -1 : openat(directory, "start", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (start < 0 || flock(start, LOCK_EX) < 0)
        return fail(failure, "network", errno, "%s/start", places->directory);
    int fd = try_connect(directory);
    if (fd < 0 && start_holder(places, failure) < 0)
        return -1;
    if (fd < 0 && (fd = try_connect(directory)) < 0)
        return fail(failure, "network", errno, "%s/s", places->directory);
    if (peer_uid(fd) == geteuid())
        return fd;
    close(fd);
    return fail(failure, "network", EPERM, "%s/s", places->directory);
}

/** The plan as it is in its file now. */
static int send_plan(const struct supervisor *supervisor, bool first, struct failure *failure) {
    const struct membership *membership = &supervisor->membership;
    const int fds[2] = {membership->netns, membership->netlink};
    size_t size = 0;
    auto_close int file = open(membership->places.plan, O_RDONLY | O_CLOEXEC);
    auto_free char *text = file < 0 ? NULL : read_all(file, REQUEST_LARGEST, &size);
    if (!text || send_fds(membership->link.fd, text, size, fds, first ? 2 : 0) != (ssize_t)size)
        return fail(failure, "network", errno, "%s", membership->places.plan);
    return 0;
}

/** Those who asked for a change; false when nobody did. */
static bool answer_clients(struct supervisor *supervisor, const char *problem) {
    bool asked = false;
    for (struct client *client = supervisor->relay.clients, *next; client; client = next) {
        next = client->next;
        if (!client->wants_networks)
            continue;
        client->wants_networks = false;
        asked = true;
        if (problem)
            control_error(client, EIO, problem);
        else
            client_send(client, FRAME_DONE, "", 0);
    }
    return asked;
}

/** A container that starts does not go on without its networks; one that runs gets them back as soon as that can be. */
static void have_failed(struct supervisor *supervisor, const struct failure *failure) {
    struct membership *membership = &supervisor->membership;
    if (!supervisor->member_ready && membership->failures >= PATIENCE) {
        lifecycle_failed(supervisor, failure);
        return;
    }
    int64_t wait = FIRST_WAIT_MS << (membership->failures < 7 ? membership->failures : 7);
    membership->again = monotonic_ms() + (wait < LAST_WAIT_MS ? wait : LAST_WAIT_MS);
    membership->failures++;
}

static void received(struct supervisor *supervisor, const char *text) {
    struct failure failure = {0};
    bool good = strncmp(text, "ok", 2) == 0;
    const char *said = strchr(text, ' ');
    if (said)
        fail(&failure, "network", 0, "%s", said + 1);
    if (good) {
        supervisor->membership.failures = 0;
        if (said && !supervisor->member_ready)
            status_warning(&supervisor->status, &failure);
        supervisor->member_ready = true;
        answer_clients(supervisor, NULL);
        lifecycle_go_ahead(supervisor);
        return;
    }
    bool asked = answer_clients(supervisor, failure.object);
    if (!supervisor->member_ready) {
        lifecycle_failed(supervisor, &failure);
    } else if (!asked) {
        watch_close(supervisor->epoll, &supervisor->membership.link);
        have_failed(supervisor, &failure);
    }
}

static void link_ready(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct failure failure = {0};
    char text[700];
    (void)events;
    ssize_t got = recv(watch->fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        watch_close(supervisor->epoll, watch);
        answer_clients(supervisor, "the holder of networks has ended");
        fail(&failure, "network", 0, "the holder of networks has ended");
        have_failed(supervisor, &failure);
        return;
    }
    text[got] = 0;
    received(supervisor, text);
}

static void attach(struct supervisor *supervisor) {
    struct membership *membership = &supervisor->membership;
    struct failure failure = {0};
    int fd = connect_holder(&membership->places, &failure);
    membership->link = (struct watch){.fd = fd, .ready = link_ready, .owner = supervisor};
    if (fd >= 0 && send_plan(supervisor, true, &failure) == 0 && watch_set(supervisor->epoll, &membership->link, EPOLLIN) == 0)
        return;
    watch_close(supervisor->epoll, &membership->link);
    have_failed(supervisor, &failure);
}

void membership_begin(struct supervisor *supervisor, int netns, int netlink, int error) {
    struct membership *membership = &supervisor->membership;
    membership->asked = false;
    if (netns < 0 || netlink < 0) {
        drop_fd(&netns);
        drop_fd(&netlink);
        membership->places = (struct membership_places){0};
        answer_clients(supervisor, error == ENOENT ? "its network is not one of its own" : "its network namespace cannot be had");
        return;
    }
    membership->netns = netns;
    membership->netlink = netlink;
    attach(supervisor);
}

/** Takes over what a client says; false when it is no three texts. */
static bool take_places(struct membership *membership, const char *texts, size_t size) {
    const char *parts[3];
    size_t count = 0;
    char *copy = size > 0 && texts[size - 1] == 0 ? malloc(size) : NULL;
    if (!copy)
        return false;
    memcpy(copy, texts, size);
    for (size_t at = 0; at < size && count < N_ELEMENTS(parts); at += strlen(copy + at) + 1)
        parts[count++] = copy + at;
    if (count < N_ELEMENTS(parts)) {
        free(copy);
        return false;
    }
    free(membership->given);
    membership->given = copy;
    membership->places = (struct membership_places){parts[0], parts[1], parts[2]};
    return true;
}

int membership_change(struct supervisor *supervisor, const char *places, size_t size) {
    struct membership *membership = &supervisor->membership;
    struct failure failure = {0};
    if (membership->netns < 0) {
        if (membership->asked || membership->places.directory)
            return EAGAIN;
        if (supervisor->phase != PHASE_RUNNING || !take_places(membership, places, size))
            return ENOENT;
        membership->asked = message_send(supervisor->channel.fd, &(struct message){.kind = MESSAGE_NETNS}, NULL, 0) == 0;
        if (!membership->asked)
            membership->places = (struct membership_places){0};
        return membership->asked ? 0 : EIO;
    }
    if (membership->link.fd < 0)
        return EAGAIN;
    return send_plan(supervisor, false, &failure) < 0 ? EIO : 0;
}

void membership_due(struct supervisor *supervisor, int64_t now) {
    struct membership *membership = &supervisor->membership;
    if (membership->again == 0 || now < membership->again)
        return;
    membership->again = 0;
    if (supervisor->phase < PHASE_CLEANING)
        attach(supervisor);
}

void membership_end(struct supervisor *supervisor) {
    struct membership *membership = &supervisor->membership;
    watch_close(supervisor->epoll, &membership->link);
    drop_fd(&membership->netns);
    drop_fd(&membership->netlink);
    free(membership->given);
    membership->given = NULL;
    membership->again = 0;
}
