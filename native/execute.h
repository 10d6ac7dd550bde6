/* execve with a search through the container's PATH and errors a person understands. */
#ifndef CORACLE_EXECUTE_H
#define CORACLE_EXECUTE_H

#include "util.h"

/** Returns only on failure, with exit code 127 (not found) or 126 (found, cannot run). */
int execute(char *const *arguments, char *const *environment, struct failure *failure);

#endif
