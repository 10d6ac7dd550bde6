/* The container's log: CRI lines (k8s-file) or Docker's json-file, rotated by size. */
#ifndef CORACLE_LOG_H
#define CORACLE_LOG_H

#include <sys/uio.h>

#include "plan/plan.h"

enum { LOG_TEXT_MAX = 16384, LOG_PARTS = 64 };

struct log {
    enum log_format format;
    const char *path, *extra;
    int fd;
    uint64_t size, limit;
    unsigned files;
    /** Bytes that could not be written (full disk). */
    uint64_t dropped;
    char *batch;
    size_t used;
    /** What the next write takes: parts of the batch, and long texts where they were read. */
    struct iovec parts[LOG_PARTS];
    size_t count;
};

/** What is written does not just go away. */
static inline bool log_kept(const struct log *log) {
    return log->format != LOG_NONE && log->fd >= 0;
}

/** Opens for appending; a plan without a log gives one that swallows everything. */
int log_open(struct log *log, const struct plan *plan, struct failure *failure);
/** Writes what one stream (1 stdout, 2 stderr) said. Never fails: what is lost is counted. */
void log_write(struct log *log, int stream, const char *data, size_t size);
/** Opens the path anew after somebody moved the file away. Returns 0 or -1. */
int log_reopen(struct log *log);
void log_close(struct log *log);

#endif
