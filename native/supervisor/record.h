/* The records a supervisor keeps in the container's directory: lock, live, exit (PROTOCOL.md 2.5). */
#ifndef CORACLE_RECORD_H
#define CORACLE_RECORD_H

#include "base/util.h"

enum { RECORD_SIZE = 4096 };

struct record {
    int directory;
    int lock;
    char boot[40];
    unsigned long long start_ticks;
};

struct live_record {
    bool paused;
    pid_t pid;
    const char *started;
    unsigned restarts;
    uint64_t netns;
    /** Of its processes; NULL without one. */
    const char *cgroup;
};

struct exit_record {
    int code, signal, oom;
    const struct failure *failure;
    const char *started, *finished;
    unsigned restarts;
    /** Somebody asked for the end, and not the machine that goes down. */
    bool stopped;
};

/** When the process began, in ticks since boot; 0 when there is none. */
unsigned long long record_start_ticks(pid_t pid);

/** Opens the directory, takes the lock (stage `start`: EBUSY, another supervisor has it; ENOENT, it is removed), clears the last run's records and reserves space for `exit`. */
int record_open(struct record *record, const char *directory, struct failure *failure);
/** Stage `start`, of the container in this directory: by the first digits of an id of ours, all of another. */
int record_refuse(struct failure *failure, int number, const char *directory);
int record_live(const struct record *record, const struct live_record *live);
/** Writes the text of an exit record, without a newline. Returns its length. */
size_t record_exit_text(const struct exit_record *exit, char out[RECORD_SIZE]);
int record_exit(const struct record *record, const char *text);
struct health_result;
/** How the container does, with the results of its last checks. */
int record_health(const struct record *record, const char *status, unsigned failing, const struct health_result *results, size_t count);
/** Releases the lock: from now on the container counts as ended. */
void record_close(struct record *record);

#endif
