/* The journal of events: one JSON object a line, written by whoever makes something happen (PROTOCOL.md 2.7). */
#ifndef CORACLE_EVENTS_H
#define CORACLE_EVENTS_H

#include "plan/plan.h"

/** Appends an event of the container, with more members (`,"exitCode":0`) or "". What cannot be written is lost: nothing
 *  that runs may fail for it. */
void events_write(const struct plan_events *events, const char *status, const char *more);
void events_write_exit(const struct plan_events *events, const char *status, int code);

#endif
