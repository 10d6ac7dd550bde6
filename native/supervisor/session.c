#define _GNU_SOURCE
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

#include "base/status.h"
#include "client-io.h"
#include "container/terminal.h"
#include "events.h"
#include "exec.h"
#include "pipes.h"
#include "record.h"
#include "relay.h"
#include "run.h"

enum { DRAIN_SILENCE_MS = 200, LINGER_MS = 5000 };

struct session {
    const struct session_options *given;
    const struct plan *plan;
    int epoll;
    struct status status;
    int notify;
    struct relay relay;
    struct watch report, signals;
    pid_t pid;
    bool started, exited, over;
    int wait_status;
    int64_t kill_at, timeout_at, drain_at;
    char started_text[TIME_TEXT_SIZE];
    struct failure failure;
};

static int exit_code(const struct session *session) {
    if (session->failure.stage)
        return session->failure.code;
    return WIFEXITED(session->wait_status) ? WEXITSTATUS(session->wait_status) : 128 + WTERMSIG(session->wait_status);
}

static void announce(struct session *session, int code) {
    unsigned char byte = (unsigned char)code;
    if (session->notify >= 0)
        (void)!write(session->notify, &byte, 1);
    drop_fd(&session->notify);
    if (session->plan->mode == MODE_DETACH)
        drop_fd(&session->status.fd);
}

static void tell_end(struct session *session) {
    char text[RECORD_SIZE], finished[TIME_TEXT_SIZE], error[900] = {0};
    bool failed = session->failure.stage;
    int signal = !failed && WIFSIGNALED(session->wait_status) ? WTERMSIG(session->wait_status) : 0;
    time_text(finished);
    struct exit_record exit = {.code = exit_code(session), .signal = signal, .failure = &session->failure, .started = session->started_text, .finished = finished};
    record_exit_text(&exit, text);
    if (failed)
        status_error(&session->status, &session->failure);
    else
        status_exit(&session->status, exit.code, signal, 0);
    for (int i = 0; i < 4; i++)
        error[i] = (char)((unsigned)session->failure.number >> (24 - 8 * i));
    if (failed)
        failure_prose(&session->failure, error + 4, sizeof error - 4);
    for (struct client *client = session->relay.clients; client; client = client->next) {
        if (failed && (client->output || client->waits))
            client_send(client, FRAME_ERROR, error, 4 + strlen(error + 4));
        if (client->output || client->waits)
            client_send(client, FRAME_EXIT, text, strlen(text));
        client_leave(client);
    }
}

static void finish(struct session *session) {
    if (session->over)
        return;
    session->over = true;
    relay_close_streams(&session->relay);
    watch_close(session->epoll, &session->relay.listener);
    if (session->plan->exec_socket)
        unlink(session->plan->exec_socket);
    if (session->started)
        events_write_exit(&session->plan->events, "exec_died", exit_code(session));
    tell_end(session);
    announce(session, exit_code(session));
    session->kill_at = session->timeout_at = 0;
    session->drain_at = monotonic_ms() + LINGER_MS;
}

static void process_ended(struct session *session) {
    session->exited = true;
    while (session->report.fd >= 0)
        session->report.ready(&session->report, EPOLLIN);
    if (!relay_hurry(&session->relay))
        finish(session);
    else
        session->drain_at = monotonic_ms() + DRAIN_SILENCE_MS;
}

static void output_ended(void *owner) {
    struct session *session = owner;
    if (session->exited)
        finish(session);
}

static void adopt(struct session *session, const int *fds, size_t count, pid_t pid) {
    int input = count == 1 ? fcntl(fds[0], F_DUPFD_CLOEXEC, 3) : -1;
    session->pid = pid;
    if (count == 1 && (input < 0 || relay_streams(&session->relay, fds[0], -1, input) < 0))
        fail(&session->failure, "tty", errno, "terminal");
    status_ready(&session->status, pid);
    if (!session->failure.stage)
        message_send(session->report.fd, &(struct message){.kind = MESSAGE_GO}, NULL, 0);
}

static void report_ready(struct watch *watch, uint32_t events) {
    struct session *session = watch->owner;
    struct message message;
    int fds[1];
    size_t count = 1;
    pid_t pid;
    (void)events;
    int got = message_receive(watch->fd, &message, fds, &count, &pid);
    if (got > 0 && message.kind == MESSAGE_READY) {
        adopt(session, fds, count, pid);
    } else if (got > 0 && message.kind == MESSAGE_WARNING) {
        status_warning(&session->status, &message.failure);
    } else if (got > 0 && message.kind == MESSAGE_FAILURE) {
        session->failure = message.failure;
    } else if (got <= 0) {
        watch_close(session->epoll, watch);
        if (session->pid == 0)
            finish(session); /* it failed before it was in the container */
        else if (!session->failure.stage) { /* executed, though its end may have been seen first */
            session->started = true;
            events_write(&session->plan->events, "exec", "");
            status_started(&session->status, session->pid);
            announce(session, 0);
        }
    }
}

static void signal_ready(struct watch *watch, uint32_t events) {
    struct session *session = watch->owner;
    struct signalfd_siginfo info;
    int status;
    (void)events;
    if (read(watch->fd, &info, sizeof info) != (ssize_t)sizeof info)
        return;
    if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGHUP)
        session->kill_at = monotonic_ms();
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
        if (pid != session->pid && session->pid != 0)
            continue;
        session->wait_status = status;
        process_ended(session);
    }
}

static void control(void *owner, struct client *client, unsigned type, const unsigned char *payload, size_t size) {
    struct session *session = owner;
    uint32_t number = size >= 4 ? (uint32_t)payload[0] << 24 | (uint32_t)payload[1] << 16 | (uint32_t)payload[2] << 8 | payload[3] : 0;
    int master = session->relay.streams[0].watch.fd;
    if (type == FRAME_RESIZE && size >= 4 && session->plan->tty && master >= 0)
        terminal_resize(master, (unsigned)(payload[0] << 8 | payload[1]), (unsigned)(payload[2] << 8 | payload[3]));
    if (type == FRAME_SIGNAL && number > 0 && number <= 64 && session->pid > 0 && !session->exited) {
        kill(session->pid, (int)number); /* our own child: its pid is not reused before we reap it */
        client_send(client, FRAME_DONE, "", 0);
    }
    if (type == FRAME_WAIT)
        client->waits = true;
    if (type == FRAME_HELLO) {
        char text[96];
        int length = snprintf(text, sizeof text, "state=%s\npid=%d\ntty=%d\n", session->started ? "running" : "starting", (int)session->pid, session->plan->tty);
        client_send(client, FRAME_STATE, text, (size_t)length);
    }
}

static int watch_signals(struct session *session) {
    static const int numbers[] = {SIGCHLD, SIGTERM, SIGHUP};
    sigset_t wanted;
    sigfillset(&wanted);
    sigprocmask(SIG_SETMASK, &wanted, NULL);
    sigemptyset(&wanted);
    for (size_t i = 0; i < N_ELEMENTS(numbers); i++)
        sigaddset(&wanted, numbers[i]);
    session->signals = (struct watch){.fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK), .ready = signal_ready, .owner = session};
    return session->signals.fd < 0 ? -1 : watch_set(session->epoll, &session->signals, EPOLLIN);
}

static void deserted(void *owner) {
    struct session *session = owner;
    session->kill_at = monotonic_ms();
}

static int start(struct session *session, struct failure *failure) {
    int ends[2], fds[3] = {-1, -1, -1};
    const int on = 1;
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    if ((session->epoll = epoll_create1(EPOLL_CLOEXEC)) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "exec", errno, "epoll");
    relay_init(&session->relay, session->epoll, session);
    session->relay.control = control;
    session->relay.ended = output_ended;
    session->relay.deserted = deserted;
    session->relay.tty = session->plan->tty;
    session->relay.stdin_once = true; /* an exec session has no second client that could bring more */
    if (session->given->client_fd >= 0 && !relay_add(&session->relay, session->given->client_fd, true))
        return fail(failure, "exec", errno, "foreground client");
    session->report = (struct watch){.fd = ends[0], .ready = report_ready, .owner = session};
    if (watch_signals(session) < 0 || setsockopt(ends[0], SOL_SOCKET, SO_PASSCRED, &on, sizeof on) < 0 || watch_set(session->epoll, &session->report, EPOLLIN) < 0)
        return fail(failure, "exec", errno, "report socket");
    if (session->plan->exec_socket && relay_listen(&session->relay, session->plan->exec_socket, failure) < 0)
        return -1;
    int result = pipes_make(session->plan, &session->relay, fds, failure);
    if (result == 0)
        result = join_spawn(session->plan, session->given->container, fds, ends[1], failure);
    close(ends[1]);
    for (int i = 0; i < 3; i++)
        drop_fd(&fds[i]);
    for (unsigned i = 0; i < session->plan->preserved; i++)
        close(PRESERVED_FD + (int)i);
    if (session->plan->mode == MODE_CHILD)
        null_stdio();
    return result;
}

static int delay(const struct session *session) {
    const int64_t times[] = {session->kill_at, session->timeout_at, session->drain_at};
    int64_t first = 0, now = monotonic_ms();
    for (size_t i = 0; i < N_ELEMENTS(times); i++)
        if (times[i] != 0 && (first == 0 || times[i] < first))
            first = times[i];
    return first == 0 ? -1 : first <= now ? 0 : first - now > 3600000 ? 3600000 : (int)(first - now);
}

static void do_due(struct session *session) {
    int64_t now = monotonic_ms();
    if ((session->kill_at != 0 && now >= session->kill_at) || (session->timeout_at != 0 && now >= session->timeout_at)) {
        session->kill_at = session->timeout_at = 0;
        if (session->pid > 0 && !session->exited)
            kill(session->pid, SIGKILL);
    }
    if (session->drain_at == 0 || now < session->drain_at)
        return;
    session->drain_at = 0;
    if (!session->over)
        finish(session);
    else
        while (session->relay.clients && !session->relay.clients->lossless)
            client_close(session->relay.clients);
}

int session_run(const struct session_options *options) {
    struct session session = {.given = options, .plan = options->plan, .status = {options->status_fd, -1}, .notify = options->notify_fd};
    session.report.fd = session.signals.fd = -1;
    time_text(session.started_text);
    if (options->plan->timeout_ms > 0)
        session.timeout_at = monotonic_ms() + (int64_t)options->plan->timeout_ms;
    if (start(&session, &session.failure) < 0)
        finish(&session);
    while (!session.over || relay_flushing(&session.relay)) {
        if (loop_once(session.epoll, delay(&session)) < 0)
            return 125;
        do_due(&session);
    }
    relay_free(&session.relay);
    return exit_code(&session);
}
