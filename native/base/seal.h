/* The program goes on from a sealed copy of itself in memory. */
#ifndef CORACLE_SEAL_H
#define CORACLE_SEAL_H

#include "util.h"

/** Re-executes from a sealed memfd unless that has happened already, with an empty environment. A container that manages
 *  to open its first stage's /proc/self/exe then has a file nobody can write. Returns only when sealed (0) or on failure (-1). */
int seal_self(char *const *arguments, struct failure *failure);

#endif
