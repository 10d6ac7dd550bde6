/* Terminals of bundles, and staying with a process whose caller waits for it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "client/client-terminal.h"
#include "container/terminal.h"
#include "oci.h"

int console_connect(const char *path, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    /* A path may be longer than an address has room for. */
    auto_close int place = open(path, O_PATH | O_CLOEXEC);
    auto_close int console = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d", place);
    if (place < 0 || console < 0 || connect(console, (struct sockaddr *)&address, sizeof address) < 0)
        return fail(failure, "console", errno, "%s", path);
    return take_fd(&console);
}

int console_send(int console, int master, struct failure *failure) {
    static const char name[] = "/dev/ptmx";
    return send_fds(console, name, sizeof name - 1, &master, 1) < 0 ? fail(failure, "console", errno, "send") : 0;
}

struct waiting {
    pid_t pid;
    int master, signals;
    bool typed_out;
    struct user_terminal terminal;
};

static void resize(const struct waiting *waiting) {
    unsigned rows, columns;
    if (waiting->master >= 0 && user_terminal_size(&rows, &columns))
        terminal_resize(waiting->master, rows, columns);
}

/** Copies what is there; false at the end. */
static bool copy(int from, int to) {
    char buffer[8192];
    ssize_t count = read(from, buffer, sizeof buffer);
    if (count < 0 && (errno == EINTR || errno == EAGAIN))
        return true;
    return count > 0 && write_full(to, buffer, (size_t)count) == 0;
}

/** The exit code once the process has ended, else -1. */
static int take_signals(const struct waiting *waiting) {
    struct signalfd_siginfo info;
    int status, code = -1;
    while (read(waiting->signals, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo == SIGWINCH)
            resize(waiting);
        else if (info.ssi_signo != SIGCHLD)
            kill(waiting->pid, (int)info.ssi_signo);
    }
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;)
        if (ended == waiting->pid)
            code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return code;
}

static void drain(const struct waiting *waiting) {
    struct pollfd rest = {.fd = waiting->master, .events = POLLIN};
    while (waiting->master >= 0 && poll(&rest, 1, 0) > 0 && (rest.revents & POLLIN) && copy(waiting->master, STDOUT_FILENO))
        continue;
}

static int stay(struct waiting *waiting) {
    for (;;) {
        struct pollfd watched[] = {{waiting->signals, POLLIN, 0}, {waiting->master, POLLIN, 0}, {waiting->master < 0 || waiting->typed_out ? -1 : STDIN_FILENO, POLLIN, 0}};
        if (poll(watched, 3, -1) < 0 && errno != EINTR)
            return 125;
        int code = watched[0].revents ? take_signals(waiting) : -1;
        if (code >= 0)
            return code;
        if (watched[1].revents && !copy(waiting->master, STDOUT_FILENO))
            drop_fd(&waiting->master);
        if (watched[2].revents && waiting->master >= 0)
            waiting->typed_out = !copy(STDIN_FILENO, waiting->master);
    }
}

int process_wait(pid_t pid, int master) {
    struct waiting waiting = {.pid = pid, .master = master};
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, NULL);
    waiting.signals = signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK);
    if (waiting.signals < 0)
        return 125;
    if (master >= 0)
        user_terminal_raw(&waiting.terminal);
    resize(&waiting);
    /* It may have ended before its signal could be seen. */
    int code = take_signals(&waiting);
    code = code >= 0 ? code : stay(&waiting);
    drain(&waiting);
    user_terminal_restore(&waiting.terminal);
    return code;
}
