#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/syscalls.h"
#include "client-io.h"
#include "events.h"
#include "files/cleaning.h"
#include "notify.h"
#include "supervisor.h"

enum { DRAIN_SILENCE_MS = 200, BACKOFF_FIRST_MS = 100, BACKOFF_LIMIT_MS = 60000, STEADY_MS = 10000, LINGER_MS = 5000 };

void lifecycle_kill(struct supervisor *supervisor) {
    if (supervisor->pidfd >= 0)
        sys_pidfd_signal(supervisor->pidfd, SIGKILL);
    else if (supervisor->infra_pidfd >= 0)
        sys_pidfd_signal(supervisor->infra_pidfd, SIGKILL); /* I has not reported yet: it dies with A */
}

/** The caller learns how the start went; a detached one then goes its way. */
static void announce(struct supervisor *supervisor, int code) {
    unsigned char byte = (unsigned char)code;
    if (supervisor->announced)
        return;
    supervisor->announced = true;
    if (supervisor->notify >= 0)
        (void)!write(supervisor->notify, &byte, 1);
    drop_fd(&supervisor->notify);
    if (supervisor->plan->mode == MODE_DETACH)
        drop_fd(&supervisor->status.fd);
    drop_fd(&supervisor->status.prose);
    if (supervisor->plan->mode != MODE_CHILD)
        null_stdio();
}

void lifecycle_go_ahead(struct supervisor *supervisor) {
    if (!supervisor->helper_ready || !supervisor->member_ready || !supervisor->init_ready || supervisor->gone_ahead || supervisor->failure.stage)
        return;
    supervisor->gone_ahead = true;
    if (supervisor->restarts == 0)
        status_ready(&supervisor->status, supervisor->pid);
    message_send(supervisor->report.fd, &(struct message){.kind = MESSAGE_GO}, NULL, 0);
}

void lifecycle_write_live(struct supervisor *supervisor) {
    struct stat netns = {0};
    struct failure failure = {0};
    fstat(supervisor->namespaces[NS_NET], &netns);
    struct live_record live = {.pid = supervisor->pid, .started = supervisor->started, .restarts = supervisor->restarts, .netns = netns.st_ino, .paused = supervisor->paused, .cgroup = supervisor->cgroup.path};
    if (record_live(&supervisor->record, &live) < 0) {
        fail(&failure, "record", errno, "live");
        status_warning(&supervisor->status, &failure);
    }
}

static void write_pidfile(struct supervisor *supervisor) {
    char text[16];
    struct failure failure = {0};
    const char *path = supervisor->plan->pidfile;
    int length = snprintf(text, sizeof text, "%d", (int)supervisor->pid);
    auto_close int fd = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644) : -1;
    if (!path || (fd >= 0 && write_full(fd, text, (size_t)length) == 0 && fchmod(fd, 0644) == 0))
        return;
    fail(&failure, "pidfile", errno, "%s", path);
    status_warning(&supervisor->status, &failure);
}

static void tell_start(struct supervisor *supervisor) {
    supervisor->alive = true;
    write_pidfile(supervisor);
    notify_started(supervisor);
    if (supervisor->foreground && supervisor->restarts == 0) /* its hello may come after a short life's end */
        events_write(&supervisor->events, "attach", "");
    events_write(&supervisor->events, "init", "");
    events_write(&supervisor->events, "start", "");
}

static int exit_code(const struct supervisor *supervisor) {
    int status = supervisor->wait_status;
    return supervisor->failure.stage ? supervisor->failure.code : WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void tell_death(struct supervisor *supervisor) {
    if (supervisor->alive)
        events_write_exit(&supervisor->events, "died", exit_code(supervisor));
    if (supervisor->alive && supervisor->stop_asked)
        events_write(&supervisor->events, "stop", "");
    supervisor->alive = false;
}

void lifecycle_reported(struct supervisor *supervisor) {
    if (supervisor->failure.stage || !supervisor->gone_ahead || supervisor->phase != PHASE_STARTING)
        return;
    supervisor->phase = PHASE_RUNNING;
    supervisor->started_at = monotonic_ms();
    if (supervisor->restarts > 0)
        time_text(supervisor->started);
    if (supervisor->plan->timeout_ms > 0)
        supervisor->timeout.at = supervisor->started_at + (int64_t)supervisor->plan->timeout_ms;
    lifecycle_write_live(supervisor);
    tell_start(supervisor);
    health_begin(supervisor);
    status_started(&supervisor->status, supervisor->pid);
    announce(supervisor, 0);
}

/** The first one counts; but what is stopped while it starts fails of that, wherever it was. */
static void note_failure(struct supervisor *supervisor, const struct failure *failure) {
    if (supervisor->failure.stage)
        return;
    supervisor->failure = *failure;
    if (supervisor->started_at > 0)
        supervisor->failure.code = 128 + SIGKILL; /* what ran is killed; what never ran has the failure's own code */
    else if (supervisor->stop_asked)
        record_refuse(&supervisor->failure, ECANCELED, supervisor->plan->directory);
}

/** What I said before it ended may still lie in its socket. */
static void read_last_report(struct supervisor *supervisor) {
    while (supervisor->report.fd >= 0)
        supervisor->report.ready(&supervisor->report, EPOLLIN);
}

void lifecycle_exited(struct supervisor *supervisor, int wait_status) {
    read_last_report(supervisor);
    cgroup_look(supervisor);
    supervisor->wait_status = wait_status;
    supervisor->phase = PHASE_DRAINING;
    supervisor->kill.at = supervisor->timeout.at = 0;
    if (!supervisor->gone_ahead) {
        struct failure failure = {0};
        fail(&failure, "init", ECANCELED, "the container's first process died");
        note_failure(supervisor, &failure);
    }
    /* With its pid namespace all of it would have died. */
    if (plan_shares(supervisor->plan, PLAN_NS_PID) && supervisor->namespaces[NS_MOUNT] >= 0)
        message_send(supervisor->channel.fd, &(struct message){.kind = MESSAGE_SWEEP}, &supervisor->namespaces[NS_MOUNT], 1);
    if (plan_shares(supervisor->plan, PLAN_NS_PID))
        cgroup_kill(supervisor);
    if (!relay_hurry(&supervisor->relay))
        lifecycle_drained(supervisor);
    else
        supervisor->drain.at = monotonic_ms() + DRAIN_SILENCE_MS;
}

void lifecycle_failed(struct supervisor *supervisor, const struct failure *failure) {
    note_failure(supervisor, failure);
    lifecycle_kill(supervisor);
}

static void forget_container(struct supervisor *supervisor) {
    health_end(supervisor);
    drop_fd(&supervisor->pidfd);
    for (size_t i = 0; i < NS_COUNT; i++)
        drop_fd(&supervisor->namespaces[i]);
    watch_close(supervisor->epoll, &supervisor->report);
    relay_close_streams(&supervisor->relay);
    supervisor->pid = 0;
    supervisor->paused = supervisor->freezing = false;
    supervisor->init_ready = supervisor->gone_ahead = supervisor->output_ended = false;
    supervisor->relay.hurry = false;
}

static bool wants_restart(const struct supervisor *supervisor) {
    bool failed = supervisor->wait_status != 0;
    if (supervisor->stopped || supervisor->failure.stage || supervisor->channel.fd < 0)
        return false;
    if (supervisor->restart_wanted)
        return true;
    if (supervisor->restart_policy == RESTART_NO)
        return false;
    if (supervisor->restart_policy == RESTART_ON_FAILURE && !failed)
        return false;
    return supervisor->restart_limit == 0 || supervisor->restarts < supervisor->restart_limit;
}

static void schedule_restart(struct supervisor *supervisor) {
    int64_t delay = BACKOFF_FIRST_MS;
    if (monotonic_ms() - supervisor->started_at >= STEADY_MS)
        supervisor->quick_failures = 0;
    for (unsigned i = 0; i < supervisor->quick_failures && delay < BACKOFF_LIMIT_MS; i++)
        delay *= 2;
    supervisor->quick_failures++;
    supervisor->phase = PHASE_BACKOFF;
    supervisor->restart.at = monotonic_ms() + (delay < BACKOFF_LIMIT_MS ? delay : BACKOFF_LIMIT_MS);
    relay_broadcast(&supervisor->relay, FRAME_STATE, "state=restarting\n");
}

static bool leaves_nothing(const struct supervisor *supervisor) {
    const struct plan *plan = supervisor->plan;
    return (plan->removals.count > 0 || plan->renames.count > 0) && !(plan->keep_started && supervisor->started_at > 0);
}

/** A volatile overlay promised nothing; this makes what it wrote durable before anybody records it, if it stays. */
static void sync_upper(struct supervisor *supervisor) {
    struct failure failure = {0};
    if (!supervisor->plan->is_volatile || !supervisor->plan->upper || leaves_nothing(supervisor))
        return;
    auto_close int upper = open(supervisor->plan->upper, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (upper >= 0 && syncfs(upper) == 0)
        return;
    fail(&failure, "sync", errno, "%s", supervisor->plan->upper);
    if (!supervisor->failure.stage)
        supervisor->failure = failure;
}

/** A has died or never lived: what belongs to others than us stays in the trash, for the next command. */
static void clean_without_infra(struct supervisor *supervisor) {
    struct failure ignored = {0};
    if (supervisor->cleaned || supervisor->record.lock < 0 || !leaves_nothing(supervisor))
        return;
    cleaning_run(supervisor->plan, &ignored);
    supervisor->cleaned = true;
}

void lifecycle_drained(struct supervisor *supervisor) {
    supervisor->drain.at = 0;
    tell_death(supervisor);
    forget_container(supervisor);
    if (wants_restart(supervisor)) {
        schedule_restart(supervisor);
        return;
    }
    supervisor->phase = PHASE_CLEANING;
    if (!leaves_nothing(supervisor) || message_send(supervisor->channel.fd, &(struct message){.kind = MESSAGE_CLEAN}, NULL, 0) < 0)
        lifecycle_over(supervisor);
}

/** The kernel takes tens of milliseconds to end a network. Only ports and layers that may be used again are waited for. */
static bool may_end_later(const struct supervisor *supervisor) {
    return supervisor->cleaned && supervisor->plan->ports.count == 0;
}

static void kill_infra(struct supervisor *supervisor) {
    watch_close(supervisor->epoll, &supervisor->channel);
    if (supervisor->infra_pidfd >= 0)
        sys_pidfd_signal(supervisor->infra_pidfd, SIGKILL);
}

void lifecycle_reap(struct supervisor *supervisor) {
    siginfo_t info;
    if (supervisor->infra_pidfd < 0)
        return;
    while (waitid((idtype_t)P_PIDFD, (id_t)supervisor->infra_pidfd, &info, WEXITED) < 0 && errno == EINTR)
        continue;
    drop_fd(&supervisor->infra_pidfd);
}

static void record_end(struct supervisor *supervisor) {
    char finished[TIME_TEXT_SIZE];
    int status = supervisor->wait_status;
    bool failed = supervisor->failure.stage;
    int signal = !failed && WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    int code = exit_code(supervisor);
    time_text(finished);
    struct exit_record exit = {.code = code, .signal = signal, .oom = supervisor->cgroup.out_of_memory, .failure = &supervisor->failure, .started = supervisor->started, .finished = finished, .restarts = supervisor->restarts, .stopped = supervisor->user_stopped};
    record_exit_text(&exit, supervisor->exit_text);
    if (supervisor->record.lock >= 0) { /* else the container is another supervisor's, which goes on */
        struct failure failure = {0};
        events_write(&supervisor->events, supervisor->cleaned ? "remove" : "cleanup", "");
        if (record_exit(&supervisor->record, supervisor->exit_text) < 0 && !(supervisor->cleaned && errno == ENOENT)) {
            fail(&failure, "record", errno, "exit");
            status_warning(&supervisor->status, &failure);
        }
        unlinkat(supervisor->record.directory, "live", 0);
        unlinkat(supervisor->record.directory, "live.new", 0);
        unlinkat(supervisor->record.directory, "mnt", AT_REMOVEDIR);
    }
    if (failed)
        status_error(&supervisor->status, &supervisor->failure);
    else
        status_exit(&supervisor->status, code, signal, supervisor->cgroup.out_of_memory);
    announce(supervisor, code);
}

static void tell_failure(struct supervisor *supervisor) {
    char text[900] = {0};
    uint32_t number = (uint32_t)supervisor->failure.number;
    for (int i = 0; i < 4; i++)
        text[i] = (char)(number >> (24 - 8 * i));
    failure_prose(&supervisor->failure, text + 4, sizeof text - 4);
    for (struct client *client = supervisor->relay.clients; client; client = client->next)
        if (client->output || client->waits)
            client_send(client, FRAME_ERROR, text, 4 + strlen(text + 4));
}

void lifecycle_over(struct supervisor *supervisor) {
    if (supervisor->phase == PHASE_OVER)
        return;
    if (supervisor->phase < PHASE_DRAINING)
        relay_hurry(&supervisor->relay);
    tell_death(supervisor);
    forget_container(supervisor);
    kill_infra(supervisor);
    if (!may_end_later(supervisor))
        lifecycle_reap(supervisor);
    cgroup_remove(supervisor);
    sync_upper(supervisor);
    clean_without_infra(supervisor);
    supervisor->phase = PHASE_OVER;
    supervisor->kill.at = supervisor->timeout.at = supervisor->restart.at = supervisor->drain.at = 0;
    record_end(supervisor);
    if (supervisor->record.lock >= 0 && supervisor->plan->socket)
        unlink(supervisor->plan->socket);
    watch_close(supervisor->epoll, &supervisor->relay.listener);
    record_close(&supervisor->record);
    if (supervisor->failure.stage)
        tell_failure(supervisor);
    relay_broadcast(&supervisor->relay, FRAME_EXIT, supervisor->exit_text);
    for (struct client *client = supervisor->relay.clients; client; client = client->next)
        client_leave(client);
    supervisor->drain.at = monotonic_ms() + LINGER_MS;
}

void lifecycle_stop(struct supervisor *supervisor, int signal, uint64_t timeout_ms) {
    supervisor->stopped = true; /* before the signal: an exit it causes must not count as one to restart after */
    if (supervisor->phase == PHASE_BACKOFF) {
        supervisor->restart.at = 0;
        lifecycle_drained(supervisor);
        return;
    }
    if (supervisor->paused)
        freezing_begin(supervisor, false); /* what stands still could not end by itself */
    if (supervisor->pidfd >= 0 && timeout_ms > 0)
        sys_pidfd_signal(supervisor->pidfd, signal);
    supervisor->kill.at = monotonic_ms() + (int64_t)timeout_ms;
}

int lifecycle_delay(const struct supervisor *supervisor) {
    const struct deadline deadlines[] = {supervisor->kill, supervisor->timeout, supervisor->restart, supervisor->drain, {health_deadline(supervisor)}, {supervisor->membership.again}};
    int64_t first = 0;
    for (size_t i = 0; i < N_ELEMENTS(deadlines); i++)
        if (deadlines[i].at != 0 && (first == 0 || deadlines[i].at < first))
            first = deadlines[i].at;
    if (first == 0)
        return -1;
    int64_t left = first - monotonic_ms();
    return left < 0 ? 0 : left > 3600000 ? 3600000 : (int)left;
}

static bool due(struct deadline *deadline, int64_t now) {
    if (deadline->at == 0 || now < deadline->at)
        return false;
    deadline->at = 0;
    return true;
}

static void drain_due(struct supervisor *supervisor, int64_t now) {
    if (supervisor->phase == PHASE_OVER) {
        /* Only a client in the foreground may keep us waiting for its reader. */
        for (struct client *client = supervisor->relay.clients, *next; client; client = next) {
            next = client->next;
            if (!client->lossless)
                client_close(client);
        }
        return;
    }
    bool open = relay_hurry(&supervisor->relay);
    if (open && now < supervisor->relay.last_output + DRAIN_SILENCE_MS)
        supervisor->drain.at = supervisor->relay.last_output + DRAIN_SILENCE_MS;
    else
        lifecycle_drained(supervisor);
}

static void start_again(struct supervisor *supervisor) {
    struct failure failure = {0};
    supervisor->restarts++;
    events_write(&supervisor->events, "restart", "");
    supervisor->restart_wanted = false;
    supervisor->phase = PHASE_STARTING;
    if (supervisor_spawn(supervisor, &failure) == 0)
        return;
    lifecycle_failed(supervisor, &failure);
    lifecycle_over(supervisor);
}

void lifecycle_due(struct supervisor *supervisor) {
    int64_t now = monotonic_ms();
    if (due(&supervisor->kill, now) || due(&supervisor->timeout, now)) {
        supervisor->stopped = true;
        lifecycle_kill(supervisor);
    }
    if (due(&supervisor->restart, now))
        start_again(supervisor);
    if (due(&supervisor->drain, now))
        drain_due(supervisor, now);
    health_due(supervisor, now);
    membership_due(supervisor, now);
}
