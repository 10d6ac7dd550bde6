#define _GNU_SOURCE
#include "health.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "events.h"
#include "notify.h"
#include "run.h"
#include "supervisor.h"

enum { EXIT_TIMED_OUT = -1 };

static const char *const status_names[] = {"starting", "healthy", "unhealthy"};

static uint64_t interval(const struct supervisor *supervisor) {
    const struct plan_health *plan = &supervisor->checks;
    const struct health *health = &supervisor->health;
    bool starting = health->status == HEALTH_STARTING && monotonic_ms() < health->since + (int64_t)plan->start_period_ms;
    return starting && plan->start_interval_ms > 0 ? plan->start_interval_ms : plan->interval_ms;
}

static void schedule(struct supervisor *supervisor) {
    supervisor->health.next = monotonic_ms() + (int64_t)interval(supervisor);
}

static void save(struct supervisor *supervisor) {
    const struct health *health = &supervisor->health;
    struct failure failure = {0};
    if (record_health(&supervisor->record, status_names[health->status], health->failing, health->results, health->count) < 0) {
        fail(&failure, "record", errno, "health");
        status_warning(&supervisor->status, &failure);
    }
}

static void forget_results(struct health *health) {
    for (size_t i = 0; i < health->count; i++)
        free(health->results[i].output);
    free(health->results);
    health->results = NULL;
    health->count = 0;
}

void health_begin(struct supervisor *supervisor) {
    struct health *health = &supervisor->health;
    if (!supervisor->checks.plan)
        return;
    forget_results(health);
    health->status = HEALTH_STARTING;
    health->failing = 0;
    health->since = monotonic_ms();
    schedule(supervisor);
    save(supervisor);
}

static void close_check(struct supervisor *supervisor) {
    struct health *health = &supervisor->health;
    watch_close(supervisor->epoll, &health->output);
    watch_close(supervisor->epoll, &health->ended);
    health->child = 0;
    health->give_up = 0;
}

void health_end(struct supervisor *supervisor) {
    struct health *health = &supervisor->health;
    health->since = health->next = 0;
    if (health->child > 0) {
        kill(health->child, SIGKILL);
        waitpid(health->child, NULL, 0);
        close_check(supervisor);
        free(health->running.output);
        health->running.output = NULL;
    }
}

void health_free(struct supervisor *supervisor) {
    health_end(supervisor);
    forget_results(&supervisor->health);
}

/** Keeps the beginning of what the command says. */
static void read_output(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct health_result *result = &supervisor->health.running;
    char chunk[4096];
    (void)events;
    ssize_t got = read(watch->fd, chunk, sizeof chunk);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        watch_close(supervisor->epoll, watch);
        return;
    }
    size_t room = supervisor->checks.log_size - result->size, keep = (size_t)got < room ? (size_t)got : room;
    char *larger = keep > 0 ? realloc(result->output, result->size + keep) : NULL;
    if (!larger)
        return;
    memcpy(larger + result->size, chunk, keep);
    result->output = larger;
    result->size += keep;
}

static void keep_result(struct supervisor *supervisor) {
    struct health *health = &supervisor->health;
    unsigned limit = supervisor->checks.log_count;
    if (health->count == limit && limit > 0) {
        free(health->results[0].output);
        memmove(health->results, health->results + 1, (limit - 1) * sizeof *health->results);
        health->count--;
    }
    struct health_result *larger = limit > 0 ? realloc(health->results, (health->count + 1) * sizeof *larger) : NULL;
    if (larger) {
        health->results = larger;
        health->results[health->count++] = health->running;
    } else {
        free(health->running.output);
    }
    health->running = (struct health_result){0};
}

static void act(struct supervisor *supervisor) {
    const struct plan *plan = supervisor->plan;
    switch (supervisor->checks.action) {
    case HEALTH_KILL:
        lifecycle_kill(supervisor);
        break;
    case HEALTH_RESTART:
        supervisor->restart_wanted = true;
        lifecycle_kill(supervisor);
        break;
    case HEALTH_STOP:
        lifecycle_stop(supervisor, plan->stop_signal, plan->stop_timeout_ms);
        break;
    case HEALTH_NOTHING:
        break;
    }
}

/** Failures of the start period do not count; a success ends it. */
static void judge(struct supervisor *supervisor, int code) {
    const struct plan_health *plan = &supervisor->checks;
    struct health *health = &supervisor->health;
    enum health_status before = health->status;
    bool starting = before == HEALTH_STARTING && monotonic_ms() < health->since + (int64_t)plan->start_period_ms;
    if (code == 0) {
        health->failing = 0;
        health->status = HEALTH_GOOD;
    } else if (!starting) {
        health->failing++;
        if (health->failing >= plan->retries)
            health->status = HEALTH_BAD;
    }
    save(supervisor);
    if (health->status != before)
        events_write(&supervisor->events, "health_status", health->status == HEALTH_GOOD ? ",\"health\":\"healthy\"" : ",\"health\":\"unhealthy\"");
    if (health->status == HEALTH_GOOD && before != HEALTH_GOOD)
        notify_healthy(supervisor);
    if (health->status == HEALTH_BAD && before != HEALTH_BAD)
        act(supervisor);
}

static void answer(struct supervisor *supervisor, int code) {
    char text[32];
    int length = snprintf(text, sizeof text, "%d %s", code, status_names[supervisor->health.status]);
    for (struct client *client = supervisor->relay.clients, *next; client; client = next) {
        next = client->next;
        if (!client->wants_health)
            continue;
        client->wants_health = false;
        client_send(client, FRAME_HEALTH, text, (size_t)length);
    }
}

static void check_ended(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct health *health = &supervisor->health;
    int status;
    (void)events;
    if (waitpid(health->child, &status, WNOHANG) != health->child)
        return;
    while (health->output.fd >= 0) /* what it said last; at most what fits into a pipe */
        read_output(&health->output, EPOLLIN);
    int code = health->timed_out ? EXIT_TIMED_OUT : WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    close_check(supervisor);
    supervisor_reap(supervisor); /* of a session that was killed, its command */
    time_text(health->running.end);
    health->running.code = code;
    keep_result(supervisor);
    if (supervisor->phase == PHASE_RUNNING) {
        schedule(supervisor);
        judge(supervisor, code);
    }
    answer(supervisor, code);
}

/** Secrets stand in no file: the session gets the data of the container's start, of which its plan names parts. */
static int pass_data(const struct plan *plan) {
    if (!plan->data)
        return 0;
    int data = memfd_create("data", 0);
    if (data < 0 || write_full(data, plan->data, plan->data_size) < 0 || lseek(data, 0, SEEK_SET) < 0)
        return -1;
    return data == DATA_FD || dup2(data, DATA_FD) >= 0 ? 0 : -1;
}

static _Noreturn void run_check(const struct plan *run, const char *plan, int output) {
    char *const arguments[] = {(char *)"coracle-sv", (char *)"exec", NULL};
    char *const environment[] = {NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
        _exit(125);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC), source = open(plan, O_RDONLY | O_CLOEXEC);
    const int streams[3] = {null, output, output};
    if (null < 0 || source < 0 || place_stdio(streams) < 0 || dup2(source, PLAN_FD) < 0 || pass_data(run) < 0)
        _exit(125);
    close(STATUS_FD);
    if (!run->data)
        close(DATA_FD);
    sys_close_range(DATA_FD + 1, ~0U, 0);
    reset_signals();
    execve("/proc/self/exe", arguments, environment);
    _exit(125);
}

int health_check(struct supervisor *supervisor) {
    struct health *health = &supervisor->health;
    int ends[2];
    if (!supervisor->checks.plan)
        return ENOENT;
    if (supervisor->phase != PHASE_RUNNING || supervisor->paused)
        return ESRCH;
    if (health->child > 0)
        return 0;
    if (pipe2(ends, O_CLOEXEC) < 0)
        return errno;
    pid_t pid = fork();
    if (pid == 0)
        run_check(supervisor->plan, supervisor->checks.plan, ends[1]);
    close(ends[1]);
    int pidfd = pid < 0 ? -1 : sys_pidfd_open(pid);
    health->output = (struct watch){.fd = ends[0], .ready = read_output, .owner = supervisor};
    health->ended = (struct watch){.fd = pidfd, .ready = check_ended, .owner = supervisor};
    health->child = pid;
    health->next = 0;
    health->timed_out = false;
    health->give_up = supervisor->checks.timeout_ms > 0 ? monotonic_ms() + (int64_t)supervisor->checks.timeout_ms : 0;
    time_text(health->running.start);
    if (pidfd >= 0 && set_nonblocking(ends[0]) == 0 && watch_set(supervisor->epoll, &health->output, EPOLLIN) == 0 && watch_set(supervisor->epoll, &health->ended, EPOLLIN) == 0)
        return 0;
    int number = errno;
    int64_t since = health->since;
    health_end(supervisor);
    close_check(supervisor);
    health->since = since;
    schedule(supervisor);
    return number;
}

int64_t health_deadline(const struct supervisor *supervisor) {
    return supervisor->health.child > 0 ? supervisor->health.give_up : supervisor->health.next;
}

void health_due(struct supervisor *supervisor, int64_t now) {
    struct health *health = &supervisor->health;
    if (health->child > 0 && health->give_up > 0 && now >= health->give_up) {
        health->timed_out = true;
        health->give_up = 0;
        kill(health->child, SIGKILL); /* and with it, by its death signal, the command */
    } else if (health->child <= 0 && health->next > 0 && now >= health->next && health_check(supervisor) != 0) {
        schedule(supervisor);
    }
}
