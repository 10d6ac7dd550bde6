#define _GNU_SOURCE
#include "events.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

enum { LARGEST = 1 << 20 };

/** PATH becomes PATH.1. Under the lock the name must still mean the full file: only one of those who saw it moves it. */
static int rotated(const struct plan_events *events, int fd) {
    struct stat ours, named;
    auto_close int lock = open(events->lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    char older[4096];
    if (lock < 0 || flock(lock, LOCK_EX | LOCK_NB) < 0)
        return -1; /* somebody else does it */
    if ((size_t)snprintf(older, sizeof older, "%s.1", events->path) >= sizeof older || fstat(fd, &ours) < 0)
        return -1;
    if (stat(events->path, &named) < 0 || named.st_ino != ours.st_ino || rename(events->path, older) < 0)
        return -1;
    return open(events->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void events_write(const struct plan_events *events, const char *status, const char *more) {
    char time[TIME_TEXT_SIZE];
    struct stat stat;
    auto_free char *line = NULL;
    if (!events->path)
        return;
    auto_close int fd = open(events->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd >= 0 && fstat(fd, &stat) == 0 && stat.st_size >= LARGEST) {
        int fresh = rotated(events, fd);
        if (fresh >= 0) {
            drop_fd(&fd);
            fd = fresh;
        }
    }
    time_text(time);
    /* The newline in front ends what a writer that died left of a line. */
    int length = asprintf(&line, "\n{\"time\":\"%s\",\"type\":\"container\",\"status\":\"%s\",%s%s}\n", time, status, events->subject, more);
    if (length > 0 && fd >= 0)
        (void)!write(fd, line, (size_t)length);
}

void events_write_exit(const struct plan_events *events, const char *status, int code) {
    char more[40];
    snprintf(more, sizeof more, ",\"exitCode\":%d", code);
    events_write(events, status, more);
}
