#define _GNU_SOURCE
#include "message.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "status.h"

static bool as_text;

void message_as_text(void) {
    as_text = true;
}

int message_send(int socket, const struct message *message, const int *fds, size_t count) {
    return send_fds(socket, message, sizeof *message, fds, count) == (ssize_t)sizeof *message ? 0 : -1;
}

int message_receive(int socket, struct message *message, int *fds, size_t *count, pid_t *sender) {
    size_t room = count ? *count : 0;
    ssize_t got = receive_fds(socket, message, sizeof *message, fds, count, sender);
    /* That the other side has ended without reading all is told once, before what it sent: the last of that is why it ended. */
    if (got < 0 && errno == ECONNRESET) {
        if (count)
            *count = room;
        got = receive_fds(socket, message, sizeof *message, fds, count, sender);
    }
    if (got == 0 || (got < 0 && errno == ECONNRESET))
        return 0;
    if (got < 0)
        return -1;
    if (got == (ssize_t)sizeof *message)
        return 1;
    errno = EBADMSG;
    return -1;
}

void message_complain(int socket, enum message_kind kind, const struct failure *failure) {
    struct message message = {.kind = kind, .failure = *failure};
    const struct status status = {.fd = socket, .prose = -1};
    if (!as_text)
        message_send(socket, &message, NULL, 0);
    else if (kind == MESSAGE_WARNING)
        status_warning(&status, failure);
    else
        status_error(&status, failure);
}

void message_warn(int socket, const char *stage, int number, const char *format, ...) {
    struct failure failure = {.stage = stage, .number = number};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(failure.object, sizeof failure.object, format, arguments);
    va_end(arguments);
    message_complain(socket, MESSAGE_WARNING, &failure);
}
