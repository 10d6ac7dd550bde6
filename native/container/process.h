/* The last steps before execve, the same for a container's first process and for exec. */
#ifndef CORACLE_PROCESS_H
#define CORACLE_PROCESS_H

#include "identity.h"
#include "plan/plan.h"
#include "privileges.h"

struct process {
    const struct plan *plan;
    /** Failures and warnings go here; close-on-exec, so its end means that execve succeeded. */
    int report;
    /** Descriptors of the standard streams, or the terminal's peer three times. */
    int stdio[3];
    struct identity identity;
    struct filter filter;
    char **environment;
    /** Killed when the parent dies; for a process whose pid namespace does not see to that. */
    bool tied;
};

/** The plan's environment and, where asked, HOME. */
int process_environment(struct process *process, struct failure *failure);
/** A container's working directory is made when it is missing; that of a session has to be there. */
enum cwd_rule { CWD_MADE, CWD_FOUND };
/** Enters the working directory below `root`. */
int process_enter_cwd(int root, const char *cwd, enum cwd_rule rule, struct failure *failure);
/** New session, limits, keyring, privileges, execve. On failure reports it and exits with its code. */
_Noreturn void process_start(const struct process *process);
/** As process_start, but stays as the pid 1 that reaps orphans, forwards signals and ends with the process. */
_Noreturn void process_pause(const struct process *process);
_Noreturn void process_start_with_reaper(const struct process *process);

#endif
