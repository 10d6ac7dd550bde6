/* What is asked of the systemd that manages the user's units: a scope for a container's processes, and a place in it. */
#ifndef CORACLE_UNITS_H
#define CORACLE_UNITS_H

#include "plan/plan.h"

enum { UNIT_NAME_SIZE = 200 };

/** A property of a unit that systemd is to know, since it would write its own value over one that it was not told. */
struct unit_property {
    const char *name;
    uint64_t value;
};

/** A scope to be made, with these processes in it. */
struct scope {
    const char *unit, *slice, *description;
    /** Ends with those of the session at shutdown; else nobody's order is given, which whoever else manages the container does. */
    bool ordered;
    const pid_t *pids;
    size_t pid_count;
    const struct unit_property *properties;
    size_t property_count;
};

/** A connection to it, and the scope that was asked for. */
struct units {
    int fd;
    bool bus;
    uint32_t serial;
    char unit[UNIT_NAME_SIZE];
};

/** Connects. */
int units_open(struct units *units, const struct plan_manager *manager, struct failure *failure);
/** Asks for a delegated scope; does not wait for the answer. */
int units_begin_scope(struct units *units, const struct scope *scope, struct failure *failure);
/** Waits until they are in it. `*taken` where a unit of that name is there already: the failure is that. */
int units_await_scope(struct units *units, bool *taken, struct failure *failure);
/** Moves processes to a cgroup (a path that begins below the unit's) of a delegated unit, and waits for it. */
int units_attach(struct units *units, const char *unit, const char *path, const pid_t *pids, size_t count, struct failure *failure);
void units_close(struct units *units);

#endif
