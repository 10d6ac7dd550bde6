/* Lines of the container's /etc/passwd and /etc/group that the plan adds. */
#ifndef CORACLE_ACCOUNTS_H
#define CORACLE_ACCOUNTS_H

#include "plan/plan.h"

/** Adds each line whose name and number are not there yet. An image without the files, or whose root is read-only, is left alone. */
int accounts_add(const struct plan *plan, int root, struct failure *failure);

#endif
