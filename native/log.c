#define _GNU_SOURCE
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* A batch has room for the worst case of one piece: every byte escaped as \u00XX. */
enum { BATCH_SIZE = LOG_TEXT_MAX * 6 + 4096 };

int log_reopen(struct log *log) {
    struct stat status;
    int fd = open(log->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || fstat(fd, &status) < 0) {
        drop_fd(&fd);
        return -1;
    }
    drop_fd(&log->fd);
    log->fd = fd;
    log->size = (uint64_t)status.st_size;
    return 0;
}

int log_open(struct log *log, const struct plan *plan, struct failure *failure) {
    *log = (struct log){.format = plan->log, .path = plan->log_path, .fd = -1, .limit = plan->log_size, .files = plan->log_files};
    if (log->format == LOG_NONE)
        return 0;
    return log_reopen(log) < 0 ? fail(failure, "log", errno, "%s", log->path) : 0;
}

/** PATH.1 becomes PATH.2 and so on; the oldest falls off. With one file the log starts over. */
static void rotate(struct log *log) {
    char from[4096], to[4096];
    for (unsigned number = log->files; number > 1; number--) {
        snprintf(to, sizeof to, "%s.%u", log->path, number - 1);
        if (number == 2)
            snprintf(from, sizeof from, "%s", log->path);
        else
            snprintf(from, sizeof from, "%s.%u", log->path, number - 2);
        rename(from, to); /* ENOENT until there are that many */
    }
    if (log->files <= 1)
        unlink(log->path);
    log_reopen(log); /* on failure the old file goes on growing: better than losing lines */
    log->size = 0;
}

static void flush(struct log *log) {
    if (log->used == 0)
        return;
    if (log->limit > 0 && log->size > 0 && log->size + log->used > log->limit)
        rotate(log);
    if (write_full(log->fd, log->batch, log->used) < 0)
        log->dropped += log->used;
    else
        log->size += log->used;
    log->used = 0;
}

static void append(struct log *log, const void *data, size_t size) {
    memcpy(log->batch + log->used, data, size);
    log->used += size;
}

/** Bytes of the UTF-8 sequence at `text`, 0 when it is none. */
static size_t utf8_length(const unsigned char *text, size_t size) {
    size_t length = text[0] < 0x80 ? 1 : text[0] >= 0xc2 && text[0] < 0xe0 ? 2 : (text[0] & 0xf0) == 0xe0 ? 3 : text[0] >= 0xf0 && text[0] < 0xf5 ? 4 : 0;
    if (length > size)
        return 0;
    for (size_t i = 1; i < length; i++)
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

static void append_json_text(struct log *log, const char *data, size_t size) {
    const unsigned char *text = (const unsigned char *)data;
    for (size_t i = 0; i < size;) {
        size_t length = utf8_length(text + i, size - i);
        char escape[8];
        if (length == 0)
            append(log, "\\ufffd", 6);
        else if (text[i] == '"' || text[i] == '\\')
            append(log, (const char[2]){'\\', (char)text[i]}, 2);
        else if (text[i] == '\n')
            append(log, "\\n", 2);
        else if (text[i] < ' ' || text[i] == 127)
            append(log, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", text[i]));
        else
            append(log, text + i, length);
        i += length ? length : 1;
    }
}

static void append_piece(struct log *log, const char *time, const char *stream, const char *data, size_t size, bool complete) {
    char head[80];
    if (log->used + size * (log->format == LOG_JSON ? 6 : 1) + 256 > BATCH_SIZE)
        flush(log);
    if (log->format == LOG_K8S) {
        append(log, head, (size_t)snprintf(head, sizeof head, "%s %s %c ", time, stream, complete ? 'F' : 'P'));
        append(log, data, size);
        append(log, "\n", 1);
        return;
    }
    append(log, "{\"log\":\"", 8);
    append_json_text(log, data, size);
    append(log, complete ? "\\n\"" : "\"", complete ? 3 : 1);
    append(log, head, (size_t)snprintf(head, sizeof head, ",\"stream\":\"%s\",\"time\":\"%s\"}\n", stream, time));
}

void log_write(struct log *log, int stream, const char *data, size_t size) {
    char time[TIME_TEXT_SIZE];
    if (log->format == LOG_NONE || log->fd < 0)
        return;
    if (!log->batch && !(log->batch = malloc(BATCH_SIZE))) {
        log->dropped += size;
        return;
    }
    time_text(time);
    while (size > 0) {
        const char *end = memchr(data, '\n', size > LOG_TEXT_MAX ? LOG_TEXT_MAX : size);
        size_t length = end ? (size_t)(end - data) : size > LOG_TEXT_MAX ? LOG_TEXT_MAX : size;
        append_piece(log, time, stream == 2 ? "stderr" : "stdout", data, length, end != NULL);
        data += length + (end ? 1 : 0);
        size -= length + (end ? 1 : 0);
    }
    flush(log);
}

void log_close(struct log *log) {
    free(log->batch);
    log->batch = NULL;
    drop_fd(&log->fd);
}
