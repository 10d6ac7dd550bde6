#define _GNU_SOURCE
#include "client-terminal.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

void user_terminal_raw(struct user_terminal *terminal) {
    if (terminal->raw || tcgetattr(STDIN_FILENO, &terminal->before) < 0)
        return;
    struct termios raw = terminal->before;
    cfmakeraw(&raw);
    terminal->raw = tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void user_terminal_restore(struct user_terminal *terminal) {
    if (terminal->raw)
        tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal->before);
    terminal->raw = false;
}

bool user_terminal_size(unsigned *rows, unsigned *columns) {
    struct winsize size;
    for (int fd = 0; fd < 3; fd++)
        if (ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0) {
            *rows = size.ws_row;
            *columns = size.ws_col;
            return true;
        }
    return false;
}

/* O_NONBLOCK belongs to the open file, which the shell and others share: a second open file of the same pipe or terminal is ours alone.
 * Regular files never block, and a second open file would have its own offset. */
int user_stream(int fd) {
    struct stat stat;
    char path[40];
    if (fstat(fd, &stat) < 0 || !(S_ISFIFO(stat.st_mode) || (S_ISCHR(stat.st_mode) && isatty(fd))))
        return fd;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int own = open(path, (fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    return own < 0 ? fd : own;
}

static unsigned digit(char character) {
    return (unsigned)(character <= '9' ? character - '0' : character - 'a' + 10) & 15;
}

void detach_keys_set(struct detach_keys *keys, const char *hex) {
    size_t length = hex ? strlen(hex) / 2 : 0;
    *keys = (struct detach_keys){.count = length < DETACH_KEYS_MAX ? length : DETACH_KEYS_MAX};
    for (size_t i = 0; i < keys->count; i++)
        keys->keys[i] = (unsigned char)(digit(hex[2 * i]) << 4 | digit(hex[2 * i + 1]));
}

size_t detach_keys_filter(struct detach_keys *keys, const unsigned char *in, size_t size, unsigned char *out, bool *detached) {
    size_t put = 0;
    for (size_t i = 0; i < size && !*detached; i++) {
        if (keys->matched > 0 && in[i] != keys->keys[keys->matched]) {
            memcpy(out + put, keys->keys, keys->matched);
            put += keys->matched;
            keys->matched = 0;
        }
        if (keys->count > 0 && in[i] == keys->keys[keys->matched])
            *detached = ++keys->matched == keys->count;
        else
            out[put++] = in[i];
    }
    return put;
}
