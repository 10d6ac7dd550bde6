/* What is asked of the systemd that manages the user's units: a scope for a container's processes, and a place in it. */
#ifndef CORACLE_UNITS_H
#define CORACLE_UNITS_H

#include "plan/plan.h"

enum { UNIT_NAME_SIZE = 200 };

/** A connection to it, and the scope that was asked for. */
struct units {
    int fd;
    bool bus;
    uint32_t serial;
    char unit[UNIT_NAME_SIZE];
};

/** Connects. */
int units_open(struct units *units, const struct plan_manager *manager, struct failure *failure);
/** Asks for a delegated scope with these processes in it; does not wait for the answer. */
int units_begin_scope(struct units *units, const struct plan_cgroup *wanted, const char *unit, const pid_t *pids, size_t count, struct failure *failure);
/** Waits until they are in it. `*taken` where a unit of that name is there already: the failure is that. */
int units_await_scope(struct units *units, bool *taken, struct failure *failure);
/** Moves processes to a cgroup (a path that begins below the unit's) of a delegated unit, and waits for it. */
int units_attach(struct units *units, const char *unit, const char *path, const pid_t *pids, size_t count, struct failure *failure);
void units_close(struct units *units);

#endif
