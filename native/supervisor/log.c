#define _GNU_SOURCE
#include "log.h"

#include "journald.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

/* A batch has room for the worst case of one piece: every byte escaped as \u00XX. */
enum { BATCH_SIZE = LOG_TEXT_MAX * 6 + 4096, BORROW_LEAST = 1024 };

/** What the lines of one read share: the beginning of a k8s-file line, the end of a json-file one. */
struct log_head {
    char text[80];
    size_t size;
};

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
    *log = (struct log){.format = plan->log, .path = plan->log_path, .extra = plan->log_extra ? plan->log_extra : "", .fd = -1, .limit = plan->log_size, .files = plan->log_files};
    if (log->format == LOG_NONE || log->format == LOG_PASSTHROUGH)
        return 0;
    if (log->format == LOG_JOURNALD && (log->fd = journald_open()) < 0)
        return fail(failure, "log", errno, "%s", log->path);
    if (log->format == LOG_JOURNALD)
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

/** Everything, however little the system takes at a time. */
static int write_parts(int fd, struct iovec *parts, size_t count) {
    while (count > 0) {
        ssize_t put = writev(fd, parts, (int)count);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        for (; count > 0 && (size_t)put >= parts->iov_len; parts++, count--)
            put -= (ssize_t)parts->iov_len;
        if (count > 0)
            *parts = (struct iovec){(char *)parts->iov_base + put, parts->iov_len - (size_t)put};
    }
    return 0;
}

static void flush(struct log *log) {
    size_t total = 0;
    for (size_t i = 0; i < log->count; i++)
        total += log->parts[i].iov_len;
    if (total == 0)
        return;
    if (log->limit > 0 && log->size > 0 && log->size + total > log->limit)
        rotate(log);
    if (write_parts(log->fd, log->parts, log->count) < 0)
        log->dropped += total;
    else
        log->size += total;
    log->used = log->count = 0;
}

static void append_part(struct log *log, const void *data, size_t size) {
    struct iovec *last = log->count > 0 ? &log->parts[log->count - 1] : NULL;
    if (last && (const char *)last->iov_base + last->iov_len == data)
        last->iov_len += size;
    else
        log->parts[log->count++] = (struct iovec){(void *)(uintptr_t)data, size};
}

static void append(struct log *log, const void *data, size_t size) {
    char *to = log->batch + log->used;
    memcpy(to, data, size);
    log->used += size;
    append_part(log, to, size);
}

/** A long text is written from where it was read, which stays until the flush at the end of log_write. */
static void append_text(struct log *log, const char *data, size_t size) {
    if (size < BORROW_LEAST)
        append(log, data, size);
    else
        append_part(log, data, size);
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

/** `head` is the line's beginning up to the mark of a complete line, the same for everything read at once. */
static void append_line(struct log *log, const struct log_head *head, const char *data, size_t size, bool complete) {
    append(log, head->text, head->size);
    append(log, complete ? "F " : "P ", 2);
    append_text(log, data, size);
    append(log, "\n", 1);
}

static void append_piece(struct log *log, const struct log_head *head, const char *data, size_t size, bool complete) {
    if (log->used + size * (log->format == LOG_JSON ? 6 : 1) + 256 + strlen(log->extra) > BATCH_SIZE || log->count + 4 > LOG_PARTS)
        flush(log);
    if (log->format == LOG_K8S) {
        append_line(log, head, data, size, complete);
        return;
    }
    append(log, "{\"log\":\"", 8);
    append_json_text(log, data, size);
    append(log, complete ? "\\n\"" : "\"", complete ? 3 : 1);
    append(log, head->text, head->size);
    append(log, log->extra, strlen(log->extra));
    append(log, "}\n", 2);
}

/** memchr for text that may have no newline for long: musl's looks at eight bytes a step. */
static const char *find_newline(const char *data, size_t size) {
    typedef unsigned char block __attribute__((vector_size(16))); /* wider ones are taken apart where the processor lacks them */
    typedef uint64_t words __attribute__((vector_size(16)));
    enum { STEP = 4 * sizeof(block) };
    size_t at = 0;
    for (; at + STEP <= size; at += STEP) {
        block blocks[4];
        memcpy(blocks, data + at, sizeof blocks);
        const words equal = (words)((blocks[0] == '\n') | (blocks[1] == '\n') | (blocks[2] == '\n') | (blocks[3] == '\n'));
        if (equal[0] | equal[1])
            break;
    }
    return memchr(data + at, '\n', size - at);
}

static void make_head(struct log_head *head, enum log_format format, const char *stream) {
    char time[TIME_TEXT_SIZE];
    time_text(time);
    const int size = format == LOG_K8S ? snprintf(head->text, sizeof head->text, "%s %s ", time, stream)
                                       : snprintf(head->text, sizeof head->text, ",\"stream\":\"%s\",\"time\":\"%s\"", stream, time);
    head->size = (size_t)size;
}

void log_write(struct log *log, int stream, const char *data, size_t size) {
    struct log_head head;
    if (!log_kept(log))
        return;
    if (!log->batch && !(log->batch = malloc(BATCH_SIZE))) {
        log->dropped += size;
        return;
    }
    make_head(&head, log->format, stream == 2 ? "stderr" : "stdout");
    while (size > 0) {
        const char *end = find_newline(data, size > LOG_TEXT_MAX ? LOG_TEXT_MAX : size);
        size_t length = end ? (size_t)(end - data) : size > LOG_TEXT_MAX ? LOG_TEXT_MAX : size;
        if (log->format == LOG_JOURNALD)
            log->dropped += journald_send(log, stream, data, length, end != NULL) < 0 ? length : 0;
        else
            append_piece(log, &head, data, length, end != NULL);
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
