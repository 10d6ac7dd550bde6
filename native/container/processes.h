/* The processes of a container, found and signalled by A: its capabilities reach them whatever ids they have, and the host's
 * /proc, which it still sees, shows them by the pids that people outside know. */
#ifndef CORACLE_PROCESSES_H
#define CORACLE_PROCESSES_H

#include <sys/types.h>

/** Finds every process in `space`, a pid namespace (or one nested in it) or a mount namespace, and `first`, which may not be looked into.
 *  Returns how many, -1 with errno; `*pids` is malloc'ed. */
ssize_t processes_find(int space, pid_t first, pid_t **pids);
/** Stops all of them, those that are born meanwhile too, or lets them go on. 0 or -1 with errno. */
int processes_freeze(int space, pid_t first, int stop);
/** Kills all of them, those that are born meanwhile too. */
void processes_kill(int space);

#endif
