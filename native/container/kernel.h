/* Settings of the container's own namespaces: loopback, sysctls. */
#ifndef CORACLE_KERNEL_H
#define CORACLE_KERNEL_H

#include "plan/plan.h"

int kernel_loopback_up(struct failure *failure);
/** Our defaults and the plan's sysctls, written through `proc`, a detached procfs (-1 allowed when the plan has none). */
int kernel_configure(const struct plan *plan, int proc, int report, struct failure *failure);

#endif
