/* The port forwarder, a child of A: from listeners on the host to the container's network namespace. */
#ifndef CORACLE_FORWARD_H
#define CORACLE_FORWARD_H

#include "plan/plan.h"

/** Serves until it is killed. `listeners` are in the order of `plan->ports`; `netns` is the container's network namespace. Returns an exit code. */
int forward_main(const struct plan *plan, const int *listeners, size_t count, int netns);

#endif
