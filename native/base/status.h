/* What S tells the process that started it: status lines (PROTOCOL.md 2.4), and prose for people. */
#ifndef CORACLE_STATUS_H
#define CORACLE_STATUS_H

#include "util.h"

struct status {
    /** The status descriptor, or -1. */
    int fd;
    /** Where warnings go as prose while a person watches, or -1. */
    int prose;
};

void status_held(const struct status *status, pid_t pid);
void status_created(const struct status *status, pid_t pid);
void status_ready(const struct status *status, pid_t pid);
void status_started(const struct status *status, pid_t pid);
void status_warning(const struct status *status, const struct failure *failure);
void status_error(const struct status *status, const struct failure *failure);
void status_exit(const struct status *status, int code, int signal, int oom);
/** `verb object: reason`, as every message of coracle reads. */
void failure_text(const struct failure *failure, char *out, size_t room);
/** The same, and a second line with what can be done where that is known. */
void failure_prose(const struct failure *failure, char *out, size_t room);
/** The same on standard error, for what has no status descriptor. Gives the exit code. */
int failure_refuse(const struct failure *failure);

#endif
