#define _GNU_SOURCE
#include "supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/syscalls.h"
#include "client-io.h"
#include "container/birth.h"
#include "container/infra.h"
#include "exec.h"
#include "network/publish.h"
#include "notify.h"
#include "pipes.h"

static void channel_ready(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct message message;
    (void)events;
    int fds[2] = {-1, -1};
    size_t count = 2;
    if (message_receive(watch->fd, &message, fds, &count, NULL) <= 0) {
        watch_close(supervisor->epoll, watch);
        if (supervisor->phase < PHASE_DRAINING) {
            struct failure lost = {0};
            fail(&lost, "infra", EPIPE, "the process that holds the container's mounts has died");
            lifecycle_failed(supervisor, &lost);
        }
        lifecycle_over(supervisor);
        return;
    }
    switch (message.kind) {
    case MESSAGE_NETWORK:
        supervisor->helper_ready = true;
        lifecycle_go_ahead(supervisor);
        break;
    case MESSAGE_NETNS:
        membership_begin(supervisor, take_fd(&fds[0]), take_fd(&fds[1]), message.value);
        break;
    case MESSAGE_EXITED:
        lifecycle_exited(supervisor, message.value);
        break;
    case MESSAGE_WARNING:
        status_warning(&supervisor->status, &message.failure);
        break;
    case MESSAGE_FAILURE:
        lifecycle_failed(supervisor, &message.failure);
        break;
    case MESSAGE_FOUND:
        freezing_listed(supervisor, message.value, count == 1 ? fds[0] : -1);
        break;
    case MESSAGE_FROZEN:
        freezing_done(supervisor, message.value);
        break;
    case MESSAGE_CLEANED:
        supervisor->cleaned = true;
        lifecycle_over(supervisor);
        break;
    default:
        break;
    }
    drop_fd(&fds[0]);
    drop_fd(&fds[1]);
}

static int adopt(struct supervisor *supervisor, const int *fds, size_t count, pid_t pid, struct failure *failure) {
    if (count < READY_MASTER + (supervisor->plan->tty ? 1 : 0) || pid <= 0)
        return fail(failure, "init", EBADMSG, "incomplete report");
    supervisor->pid = pid;
    supervisor->pidfd = fds[READY_PIDFD];
    memcpy(supervisor->namespaces, &fds[READY_NS], sizeof supervisor->namespaces);
    if (supervisor->plan->tty) {
        int input = fcntl(fds[READY_MASTER], F_DUPFD_CLOEXEC, 3);
        if (input < 0 || relay_streams(&supervisor->relay, fds[READY_MASTER], -1, input) < 0)
            return fail(failure, "tty", errno, "terminal");
    }
    supervisor->init_ready = true;
    return 0;
}

static void report_ready(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct message message;
    struct failure failure = {0};
    int fds[READY_COUNT];
    size_t count = READY_COUNT;
    pid_t pid;
    (void)events;
    int got = message_receive(watch->fd, &message, fds, &count, &pid);
    if (got <= 0) {
        watch_close(supervisor->epoll, watch);
        lifecycle_reported(supervisor);
    } else if (message.kind == MESSAGE_READY) {
        if (adopt(supervisor, fds, count, pid, &failure) < 0)
            lifecycle_failed(supervisor, &failure);
        else
            lifecycle_go_ahead(supervisor);
    } else if (message.kind == MESSAGE_WARNING) {
        status_warning(&supervisor->status, &message.failure);
    } else if (message.kind == MESSAGE_FAILURE && !supervisor->failure.stage) {
        supervisor->failure = message.failure; /* I ends by itself; its exit is on the way */
    }
}

/** What a killed exec session leaves is given to us. Until it is reaped the container's pid namespace cannot end. */
void supervisor_reap(const struct supervisor *supervisor) {
    siginfo_t info = {0};
    while (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid > 0) {
        if (info.si_pid == supervisor->infra || info.si_pid == supervisor->health.child)
            return; /* theirs is read where it is waited for; whoever hides behind it comes with the next signal */
        waitpid(info.si_pid, NULL, 0);
        info.si_pid = 0;
    }
}

static void signal_ready(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct signalfd_siginfo info;
    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGCHLD)
        supervisor_reap(supervisor);
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
        lifecycle_stop(supervisor, supervisor->plan->stop_signal, supervisor->plan->stop_timeout_ms);
}

static int watch_signals(struct supervisor *supervisor, struct failure *failure) {
    sigset_t blocked;
    sigfillset(&blocked);
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGTERM);
    sigaddset(&blocked, SIGHUP);
    sigaddset(&blocked, SIGCHLD);
    int fd = signalfd(-1, &blocked, SFD_CLOEXEC | SFD_NONBLOCK);
    supervisor->signals = (struct watch){.fd = fd, .ready = signal_ready, .owner = supervisor};
    return fd < 0 || watch_set(supervisor->epoll, &supervisor->signals, EPOLLIN) < 0 ? fail(failure, "signals", errno, "signalfd") : 0;
}

int supervisor_spawn(struct supervisor *supervisor, struct failure *failure) {
    int fds[5] = {-1, -1, -1, -1, supervisor->cgroup.directory}, ends[2];
    const int on = 1;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "init", errno, "socketpair");
    fds[3] = ends[1];
    supervisor->report = (struct watch){.fd = ends[0], .ready = report_ready, .owner = supervisor};
    if (setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 || watch_set(supervisor->epoll, &supervisor->report, EPOLLIN) < 0)
        return fail(failure, "init", errno, "report socket");
    cgroup_renew(supervisor);
    int result = pipes_make(supervisor->plan, &supervisor->relay, fds, failure);
    if (result == 0 && message_send(supervisor->channel.fd, &(struct message){.kind = MESSAGE_SPAWN}, fds, fds[4] < 0 ? 4 : 5) < 0)
        result = fail(failure, "infra", errno, "channel");
    for (size_t i = 0; i < 4; i++)
        drop_fd(&fds[i]);
    return result;
}

static int bind_ports(struct supervisor *supervisor, struct failure *failure) {
    size_t count = supervisor->plan->ports.count;
    supervisor->listeners = calloc(count + 1, sizeof *supervisor->listeners);
    supervisor->ports = calloc(count + 1, sizeof *supervisor->ports);
    if (!supervisor->listeners || !supervisor->ports)
        return fail(failure, "publish", ENOMEM, "%zu ports", count);
    if (publish_bind(supervisor->plan, supervisor->listeners, failure) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        supervisor->ports[i] = publish_port(supervisor->listeners[i]);
    return 0;
}

/** Clones A; what needs no A is done while newuidmap runs. */
static int start_infra(struct supervisor *supervisor, struct failure *failure) {
    const struct plan *plan = supervisor->plan;
    struct birth birth;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "infra", errno, "socketpair");
    supervisor->channel = (struct watch){.fd = ends[0], .ready = channel_ready, .owner = supervisor};
    int side = birth_begin(plan, &birth, failure);
    if (side == 0) {
        struct infra_arguments arguments = {.plan = plan, .channel = ends[1], .listeners = supervisor->listeners, .listener_count = plan->ports.count, .joined = birth.joined, .neighbour_mounts = birth.mounts, .inner = birth.inner};
        infra_main(&arguments);
    }
    close(ends[1]);
    for (size_t i = 0; i < plan->ports.count; i++)
        drop_fd(&supervisor->listeners[i]);
    if (side < 0)
        return -1;
    const pid_t infra = birth_pid(&birth);
    int result = cgroup_begin(supervisor, infra, failure); /* systemd is at work meanwhile */
    if (result == 0)
        result = log_open(&supervisor->log, plan, failure);
    if (result == 0 && plan->socket)
        result = relay_listen(&supervisor->relay, plan->socket, failure);
    if (result == 0)
        result = cgroup_finish(supervisor, infra, failure);
    if (result == 0)
        result = supervisor_spawn(supervisor, failure);
    struct failure ignored = {0};
    if (birth_finish(plan, &birth, result < 0 ? &ignored : failure) < 0)
        return -1;
    supervisor->infra = birth_pid(&birth);
    supervisor->infra_pidfd = birth_pidfd(&birth);
    return result < 0 || watch_set(supervisor->epoll, &supervisor->channel, EPOLLIN) < 0 ? -1 : 0;
}

static void output_ended(void *owner) {
    struct supervisor *supervisor = owner;
    supervisor->output_ended = true;
    if (supervisor->phase == PHASE_DRAINING)
        lifecycle_drained(supervisor);
}

static void deserted(void *owner) {
    struct supervisor *supervisor = owner;
    if (supervisor->phase >= PHASE_DRAINING)
        return;
    supervisor->stopped = true;
    lifecycle_kill(supervisor);
}

/** The pod's exit policy. */
static void emptied(void *owner) {
    struct supervisor *supervisor = owner;
    if (supervisor->phase >= PHASE_DRAINING)
        return;
    supervisor->stop_asked = supervisor->user_stopped = true;
    lifecycle_stop(supervisor, supervisor->plan->stop_signal, supervisor->plan->stop_timeout_ms);
}

/** The connection is what the holder counts: it ends with us, however that comes. */
static int join_pod(struct supervisor *supervisor, struct failure *failure) {
    const char frame[FRAME_HEADER] = {FRAME_MEMBER};
    if (!supervisor->plan->member_of)
        return 0;
    supervisor->pod = container_connect(supervisor->plan->member_of, failure);
    if (supervisor->pod < 0)
        return -1;
    return write_full(supervisor->pod, frame, sizeof frame) < 0 ? fail(failure, "connect", errno, "%s", supervisor->plan->member_of) : 0;
}

static int start(struct supervisor *supervisor, const struct supervisor_options *options, struct failure *failure) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    prctl(PR_SET_NAME, "coracle-sv");
    umask(077);
    if ((supervisor->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0)
        return fail(failure, "supervisor", errno, "epoll");
    relay_init(&supervisor->relay, supervisor->epoll, supervisor);
    supervisor->relay.control = control_frame;
    supervisor->relay.ended = output_ended;
    supervisor->relay.deserted = deserted;
    supervisor->relay.emptied = options->plan->ends_with_members ? emptied : NULL;
    supervisor->relay.log = &supervisor->log;
    memcpy(supervisor->relay.passed, options->passed, sizeof supervisor->relay.passed);
    supervisor->relay.tty = options->plan->tty;
    supervisor->relay.stdin_once = options->plan->stdin_mode == STDIN_ONCE;
    if (options->client_fd >= 0 && !relay_add(&supervisor->relay, options->client_fd, true))
        return fail(failure, "supervisor", errno, "foreground client");
    supervisor->foreground = options->client_fd >= 0;
    if (watch_signals(supervisor, failure) < 0 || record_open(&supervisor->record, options->plan->directory, failure) < 0)
        return -1;
    time_text(supervisor->started);
    if (join_pod(supervisor, failure) < 0 || bind_ports(supervisor, failure) < 0 || notify_open(supervisor, failure) < 0)
        return -1;
    return start_infra(supervisor, failure);
}

int supervisor_run(const struct supervisor_options *options) {
    struct supervisor *supervisor = calloc(1, sizeof *supervisor);
    struct failure failure = {0};
    if (!supervisor)
        return 125;
    *supervisor = (struct supervisor){.plan = options->plan, .restart_policy = options->plan->restart, .restart_limit = options->plan->restart_limit, .checks = options->plan->health, .events = options->plan->events,
                                      .status = {options->status_fd, options->prose_fd}, .notify = options->notify_fd,
                                      .record = {.directory = -1, .lock = -1}, .log = {.fd = -1}, .infra_pidfd = -1, .pod = -1, .pidfd = -1, .epoll = -1};
    cgroup_init(&supervisor->cgroup);
    supervisor->helper_ready = options->plan->holder_directory && !options->plan->net_helper;
    supervisor->member_ready = !options->plan->holder_directory;
    supervisor->membership.places = (struct membership_places){options->plan->holder_directory, options->plan->holder_plan, options->plan->network_plan};
    supervisor->membership.link.fd = supervisor->membership.netns = supervisor->membership.netlink = -1;
    supervisor->notified.fd = supervisor->channel.fd = supervisor->report.fd = supervisor->health.output.fd = supervisor->health.ended.fd = -1;
    for (size_t i = 0; i < NS_COUNT; i++)
        supervisor->namespaces[i] = -1;
    if (start(supervisor, options, &failure) < 0) {
        lifecycle_failed(supervisor, &failure);
        lifecycle_over(supervisor);
    }
    while (supervisor->phase != PHASE_OVER || relay_flushing(&supervisor->relay)) {
        int delay = lifecycle_delay(supervisor);
        if (loop_once(supervisor->epoll, delay) < 0)
            return 125;
        lifecycle_due(supervisor);
    }
    lifecycle_reap(supervisor);
    notify_close(supervisor);
    health_free(supervisor);
    membership_end(supervisor);
    plan_free(&supervisor->health_update);
    plan_free(&supervisor->events_update);
    relay_free(&supervisor->relay);
    if (supervisor->failure.stage)
        return supervisor->failure.code;
    int status = supervisor->wait_status;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
