#define _GNU_SOURCE
#include "client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/util.h"
#include "client-terminal.h"
#include "supervisor/relay.h"

enum { RECEIVE_SIZE = 1 << 20, PIPE_SIZE = 1 << 20, SEND_SIZE = FRAME_MAX + FRAME_HEADER, TEXT_MAX = 8192, EXIT_BROKEN = 125 };

struct attach {
    const struct client_options *options;
    struct user_terminal terminal;
    struct detach_keys keys;
    int in, out[2], signals;
    bool reading, done;
    int code;
    /* Frames from S: bytes [start, end) of `received`; `left` bytes of the current frame's payload are still to come. */
    unsigned char *received;
    size_t start, end, left;
    unsigned type;
    bool in_frame;
    char text[TEXT_MAX];
    size_t text_size;
    /* Frames to S that did not fit into the socket yet. */
    unsigned char *sending;
    size_t sent, to_send, room;
};

static int complain(struct attach *attach, const char *text, int number) {
    user_terminal_restore(&attach->terminal);
    fprintf(stderr, "coracle: %s%s%s\n", text, number ? ": " : "", number ? strerror(number) : "");
    return EXIT_BROKEN;
}

static void finish(struct attach *attach, int code) {
    if (!attach->done)
        attach->code = code;
    attach->done = true;
}

static void flush_socket(struct attach *attach) {
    while (attach->sent < attach->to_send) {
        ssize_t put = send(attach->options->socket, attach->sending + attach->sent, attach->to_send - attach->sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            /* A dead S shows as the end of its frames, which may still hold output and the exit code. */
            if (errno != EAGAIN)
                attach->sent = attach->to_send;
            return;
        }
        attach->sent += (size_t)put;
    }
    attach->sent = attach->to_send = 0;
}

/* Standard input is only read while nothing waits here, so what queues up is bounded by a few small frames. */
static void send_frame(struct attach *attach, unsigned type, const void *payload, size_t size) {
    if (attach->to_send + FRAME_HEADER + size > attach->room)
        return;
    unsigned char *at = attach->sending + attach->to_send;
    memset(at, 0, FRAME_HEADER);
    at[0] = (unsigned char)type;
    for (unsigned i = 0; i < 4; i++)
        at[4 + i] = (unsigned char)(size >> (24 - 8 * i));
    if (size > 0)
        memcpy(at + FRAME_HEADER, payload, size);
    attach->to_send += FRAME_HEADER + size;
    flush_socket(attach);
}

static void send_size(struct attach *attach) {
    unsigned rows, columns;
    if (!attach->options->tty || !user_terminal_size(&rows, &columns))
        return;
    const unsigned char payload[4] = {(unsigned char)(rows >> 8), (unsigned char)rows, (unsigned char)(columns >> 8), (unsigned char)columns};
    send_frame(attach, FRAME_RESIZE, payload, sizeof payload);
}

static void end_input(struct attach *attach) {
    attach->reading = false;
    send_frame(attach, FRAME_STDIN_END, NULL, 0);
}

static void read_input(struct attach *attach) {
    unsigned char typed[FRAME_MAX - DETACH_KEYS_MAX], filtered[FRAME_MAX];
    bool detached = false;
    ssize_t got = read(attach->in, typed, sizeof typed);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        end_input(attach);
        return;
    }
    if (attach->keys.count == 0) {
        send_frame(attach, FRAME_STDIN, typed, (size_t)got);
        return;
    }
    size_t size = detach_keys_filter(&attach->keys, typed, (size_t)got, filtered, &detached);
    if (size > 0)
        send_frame(attach, FRAME_STDIN, filtered, size);
    if (detached) {
        send_frame(attach, FRAME_DETACH, NULL, 0);
        finish(attach, 0);
    }
}

/* Writes what of the current frame's payload has come. False when the stream takes no more now. */
static bool write_output(struct attach *attach, int stream) {
    size_t have = attach->end - attach->start;
    size_t size = attach->left < have ? attach->left : have;
    ssize_t put = write(attach->out[stream], attach->received + attach->start, size);
    if (put < 0 && errno == EPIPE) {
        /* As a program that writes to a closed pipe; the container goes on. */
        send_frame(attach, FRAME_DETACH, NULL, 0);
        finish(attach, 128 + SIGPIPE);
        return false;
    }
    if (put < 0 && errno == EINTR)
        return true;
    if (put < 0 && errno != EAGAIN) {
        finish(attach, complain(attach, "write output", errno));
        return false;
    }
    if (put > 0) {
        attach->start += (size_t)put;
        attach->left -= (size_t)put;
    }
    return put > 0 || size == 0;
}

static int exit_code(const char *record) {
    const char *code = strstr(record, "\"code\":");
    return code ? atoi(code + 7) & 255 : EXIT_BROKEN;
}

/* Nothing else tells a program that was killed for want of memory from one that somebody killed. */
static void tell_exit(struct attach *attach) {
    int code = exit_code(attach->text);
    if (code != 0 && strstr(attach->text, "\"oom\":1"))
        complain(attach, "the container was out of memory: the kernel killed processes of it", 0);
    finish(attach, code);
}

/* ESRCH answers a signal that came when the process was gone: the exit follows. A text with a reason in it needs no other. */
static void show_error(struct attach *attach) {
    const unsigned char *at = (const unsigned char *)attach->text;
    int number = (int)((unsigned)at[0] << 24 | (unsigned)at[1] << 16 | (unsigned)at[2] << 8 | at[3]);
    bool raw = attach->terminal.raw;
    if (number == ESRCH)
        return;
    complain(attach, attach->text + 4, strstr(attach->text + 4, ": ") ? 0 : number);
    if (raw)
        user_terminal_raw(&attach->terminal);
}

static void end_frame(struct attach *attach) {
    attach->in_frame = false;
    attach->text[attach->text_size] = 0;
    if (attach->type == FRAME_EXIT)
        tell_exit(attach);
    if (attach->type == FRAME_ERROR && attach->text_size >= 4)
        show_error(attach);
}

/* Text of state, exit and error frames is kept; of unknown ones passed over. */
static void take_text(struct attach *attach) {
    size_t have = attach->end - attach->start;
    size_t size = attach->left < have ? attach->left : have;
    size_t fits = TEXT_MAX - 1 - attach->text_size;
    memcpy(attach->text + attach->text_size, attach->received + attach->start, size < fits ? size : fits);
    attach->text_size += size < fits ? size : fits;
    attach->start += size;
    attach->left -= size;
}

static bool begin_frame(struct attach *attach) {
    const unsigned char *at = attach->received + attach->start;
    if (attach->end - attach->start < FRAME_HEADER)
        return false;
    attach->type = at[0];
    attach->left = (size_t)at[4] << 24 | (size_t)at[5] << 16 | (size_t)at[6] << 8 | at[7];
    attach->start += FRAME_HEADER;
    attach->in_frame = true;
    attach->text_size = 0;
    if (attach->left > FRAME_MAX)
        finish(attach, complain(attach, "follow container: a frame is too long", 0));
    return attach->left <= FRAME_MAX;
}

/* Handles what was received. Returns the stream (0, 1) that must take more first, -1 when all is handled. */
static int handle_received(struct attach *attach) {
    while (!attach->done && (attach->in_frame || begin_frame(attach))) {
        bool output = attach->type == FRAME_STDOUT || attach->type == FRAME_STDERR;
        int stream = attach->type == FRAME_STDERR;
        if (attach->left > 0 && attach->start == attach->end)
            break;
        if (output && attach->left > 0 && !write_output(attach, stream))
            return stream;
        if (!output)
            take_text(attach);
        if (attach->left == 0)
            end_frame(attach);
    }
    memmove(attach->received, attach->received + attach->start, attach->end - attach->start);
    attach->end -= attach->start;
    attach->start = 0;
    return -1;
}

static void receive(struct attach *attach) {
    ssize_t got = recv(attach->options->socket, attach->received + attach->end, RECEIVE_SIZE - attach->end, MSG_DONTWAIT);
    if (got > 0)
        attach->end += (size_t)got;
    else if (got == 0 || (errno != EAGAIN && errno != EINTR))
        finish(attach, complain(attach, "follow container: its supervisor is gone", 0));
}

/* Stops as the shell wants, with the terminal as the shell expects it. */
static void suspend(struct attach *attach) {
    bool raw = attach->terminal.raw;
    user_terminal_restore(&attach->terminal);
    kill(getpid(), SIGSTOP);
    if (raw)
        user_terminal_raw(&attach->terminal);
    send_size(attach);
}

static void handle_signal(struct attach *attach) {
    struct signalfd_siginfo info;
    if (read(attach->signals, &info, sizeof info) != sizeof info)
        return;
    int number = (int)info.ssi_signo;
    bool hung_up = number == SIGHUP && attach->options->tty;
    if (number == SIGWINCH) {
        send_size(attach);
    } else if (number == SIGTSTP) {
        suspend(attach);
    } else if (attach->options->signal_proxy && !hung_up) {
        const unsigned char payload[4] = {0, 0, 0, (unsigned char)number};
        send_frame(attach, FRAME_SIGNAL, payload, sizeof payload);
    } else {
        send_frame(attach, FRAME_DETACH, NULL, 0);
        finish(attach, 128 + number);
    }
}

/* Signals the kernel sends for our own faults, and those that cannot be caught, stay as they are. */
static int watch_signals(const struct client_options *options) {
    static const int always[] = {SIGWINCH, SIGTSTP, SIGTERM, SIGHUP, SIGINT, SIGQUIT};
    static const int proxied[] = {SIGUSR1, SIGUSR2, SIGALRM, SIGCONT, SIGURG, SIGVTALRM, SIGPROF, SIGIO, SIGPWR};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < N_ELEMENTS(always); i++)
        sigaddset(&set, always[i]);
    for (size_t i = 0; options->signal_proxy && i < N_ELEMENTS(proxied); i++)
        sigaddset(&set, proxied[i]);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return -1;
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void relay_once(struct attach *attach, int blocked) {
    bool sending = attach->to_send > 0;
    struct pollfd polled[4] = {
        {.fd = attach->options->socket, .events = (short)((blocked < 0 ? POLLIN : 0) | (sending ? POLLOUT : 0))},
        {.fd = attach->signals, .events = POLLIN},
        {.fd = attach->reading && !sending ? attach->in : -1, .events = POLLIN},
        {.fd = blocked >= 0 ? attach->out[blocked] : -1, .events = POLLOUT},
    };
    /* While a stream is blocked the socket's hang-up would wake us for nothing. */
    if (polled[0].events == 0)
        polled[0].fd = -1;
    if (poll(polled, N_ELEMENTS(polled), -1) < 0)
        return;
    if (polled[1].revents)
        handle_signal(attach);
    if (polled[0].revents & POLLOUT)
        flush_socket(attach);
    if (blocked < 0 && polled[0].revents & (POLLIN | POLLHUP | POLLERR) && attach->end < RECEIVE_SIZE)
        receive(attach);
    if (polled[2].revents && !attach->done)
        read_input(attach);
}

/* S copies output into our pipes by itself. It may find that it cannot: frames of output then come as ever. */
static void hand_over_pipes(struct attach *attach) {
    union {
        char bytes[CMSG_SPACE(sizeof(int[2]))];
        struct cmsghdr align;
    } control = {0};
    int fds[2];
    size_t count = 0;
    unsigned char frame[FRAME_HEADER + 1] = {FRAME_OUTPUT, 0, 0, 0, 0, 0, 0, 1, 0};
    for (int i = 0; i < 2; i++) {
        struct stat status;
        if (fstat(attach->out[i], &status) < 0 || !S_ISFIFO(status.st_mode))
            continue;
        fds[count++] = attach->out[i];
        frame[FRAME_HEADER] |= (unsigned char)(1U << i);
        if (fcntl(attach->out[i], F_GETPIPE_SZ) < PIPE_SIZE)
            fcntl(attach->out[i], F_SETPIPE_SZ, PIPE_SIZE); /* a smaller pipe only costs speed */
    }
    struct iovec part = {frame, sizeof frame};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    if (count == 0)
        return;
    *header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS, .cmsg_len = CMSG_LEN(count * sizeof(int))};
    memcpy(CMSG_DATA(header), fds, count * sizeof(int));
    (void)!sendmsg(attach->options->socket, &message, MSG_NOSIGNAL); /* a dead S shows as the end of its frames */
}

static void relay(struct attach *attach) {
    const unsigned char mode = attach->options->interactive ? 2 : 1;
    if (attach->options->direct)
        hand_over_pipes(attach);
    send_frame(attach, FRAME_HELLO, &mode, 1);
    send_size(attach);
    send_frame(attach, FRAME_START, NULL, 0);
    for (int blocked = -1; !attach->done; blocked = handle_received(attach))
        relay_once(attach, blocked);
}

int client_run(const struct client_options *options) {
    struct attach attach = {.options = options, .reading = options->interactive, .code = EXIT_BROKEN, .room = 2 * SEND_SIZE};
    auto_free unsigned char *received = attach.received = malloc(RECEIVE_SIZE);
    auto_free unsigned char *sending = attach.sending = malloc(attach.room);
    if (!received || !sending || (attach.signals = watch_signals(options)) < 0)
        return complain(&attach, "follow container", errno);
    signal(SIGPIPE, SIG_IGN);
    attach.in = user_stream(STDIN_FILENO);
    attach.out[0] = user_stream(STDOUT_FILENO);
    attach.out[1] = user_stream(STDERR_FILENO);
    if (isatty(STDIN_FILENO) && options->tty && options->interactive) {
        detach_keys_set(&attach.keys, options->detach_keys);
        user_terminal_raw(&attach.terminal);
    }
    relay(&attach);
    user_terminal_restore(&attach.terminal);
    return attach.code;
}
