/* An emulator for programs of another processor, known to the container's user namespace alone. */
#ifndef CORACLE_EMULATOR_H
#define CORACLE_EMULATOR_H

#include "plan/plan.h"

/**
 * Registers the plan's emulator in a binfmt_misc of this user namespace (Linux 6.7 and later), before the root is left: the flag
 * F opens the emulator here and now. `*mount` keeps the registration alive; it is -1 when the plan has none.
 */
int emulator_register(const struct plan *plan, int *mount, struct failure *failure);

#endif
