/* execve with a search through the container's PATH and errors a person understands. */
#ifndef CORACLE_EXECUTE_H
#define CORACLE_EXECUTE_H

#include "base/util.h"

/** Returns only on failure, with exit code 127 (not found) or 126 (found, cannot run). */
int execute(char *const *arguments, char *const *environment, struct failure *failure);

/** Looks for the program as execute() would, without executing it; -1 with exit code 126 or 127 where that would certainly fail. */
int execute_check(char *const *arguments, char *const *environment, struct failure *failure);

#endif
