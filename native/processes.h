/* The processes of a container, found and signalled by A: its capabilities reach them whatever ids they have, and the host's
 * /proc, which it still sees, shows them by the pids that people outside know. */
#ifndef CORACLE_PROCESSES_H
#define CORACLE_PROCESSES_H

#include <sys/types.h>

/** Finds every process in the pid namespace (or one nested in it), and `first`, which may not be looked into.
 *  Returns how many, -1 with errno; `*pids` is malloc'ed. */
ssize_t processes_find(int pid_namespace, pid_t first, pid_t **pids);
/** Stops all of them, those that are born meanwhile too, or lets them go on. 0 or -1 with errno. */
int processes_freeze(int pid_namespace, pid_t first, int stop);

#endif
