/* What happens to a container's trees at its final exit, inside the user namespace that owns them. */
#ifndef CORACLE_CLEANING_H
#define CORACLE_CLEANING_H

#include "plan/plan.h"

/** The plan's renames, then its removals. A missing source is no error; the first other failure is kept, the rest still runs. */
int cleaning_run(const struct plan *plan, struct failure *failure);

#endif
