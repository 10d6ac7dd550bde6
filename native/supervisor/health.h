/* Health checks: S runs a command in the container at intervals, counts its failures, records them and acts on them. */
#ifndef CORACLE_HEALTH_H
#define CORACLE_HEALTH_H

#include <sys/types.h>

#include "base/loop.h"
#include "plan/plan.h"

struct supervisor;

enum health_status { HEALTH_STARTING, HEALTH_GOOD, HEALTH_BAD };

struct health_result {
    char start[TIME_TEXT_SIZE], end[TIME_TEXT_SIZE];
    int code;
    char *output;
    size_t size;
};

struct health {
    enum health_status status;
    unsigned failing;
    /** Since when the start period counts (monotonic ms); 0: nothing to check. */
    int64_t since;
    int64_t next, give_up; /* monotonic ms, 0: not set */
    bool timed_out;
    pid_t child;
    int pidfd;
    struct watch output, ended;
    struct health_result running;
    struct health_result *results;
    size_t count;
};

/** The container's process has been executed: the first check comes after an interval. */
void health_begin(struct supervisor *supervisor);
/** The container has ended: a check that runs is ended as well. */
void health_end(struct supervisor *supervisor);
/** When something is due, as monotonic ms; 0: nothing. */
int64_t health_deadline(const struct supervisor *supervisor);
void health_due(struct supervisor *supervisor, int64_t now);
/** Begins a check at once unless one runs; 0, or an errno. */
int health_check(struct supervisor *supervisor);
void health_free(struct supervisor *supervisor);

#endif
