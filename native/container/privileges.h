/* What the process may do: limits, capabilities, no_new_privs, seccomp. */
#ifndef CORACLE_PRIVILEGES_H
#define CORACLE_PRIVILEGES_H

#include "identity.h"
#include "plan/plan.h"

struct sock_filter;

/** A compiled seccomp filter in memory; `count` 0: none. */
struct filter {
    struct sock_filter *instructions;
    size_t count;
};

/** Reads the plan's filter while the host's files are there. */
int filter_read(const char *path, struct filter *filter, struct failure *failure);
/** Limits, clamped to the hard limits we have, and the OOM score; what could not be had is warned about on `report`. */
int limits_apply(const struct plan *plan, int report, struct failure *failure);
/** Becomes `identity` with exactly the plan's capabilities; irrevocable. */
int privileges_drop(const struct plan *plan, const struct identity *identity, const struct filter *filter, struct failure *failure);

#endif
