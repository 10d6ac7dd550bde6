/* `coracle-sv exec`: one more process in a running container, with a small supervisor of its own, so that nothing that
 * happens to it can hurt the container. */
#ifndef CORACLE_EXEC_H
#define CORACLE_EXEC_H

#include "base/message.h"
#include "plan/plan.h"

enum { SCOPE_TEXT_SIZE = 400 };

/** What S hands out: the container's pidfd and namespaces, its cgroup (-1: none). */
struct container_handles {
    int pidfd;
    int namespaces[NS_COUNT];
    bool single_id;
    int cgroup;
    /** Of whom a place in the scope is asked, where the cgroup is in one: the unit, NULL else, and the manager of units. */
    const char *unit;
    struct plan_manager manager;
    char text[SCOPE_TEXT_SIZE];
};

int exec_main(int argc, char **argv);

/** A connection to the supervisor that listens at `path`. */
int container_connect(const char *path, struct failure *failure);
/** What they are wanted for: a process would stand still in a container that is paused, files can be read and written. */
enum asker { ASKER_PROCESS, ASKER_FILES };

/** Asks the supervisor that listens at `path` for the container's handles. Stage `connect` when it does not run, or is paused and that matters. */
int container_ask(const char *path, enum asker asker, struct container_handles *container, struct failure *failure);
void container_forget(struct container_handles *container);
/** Fails at stage `connect`: it is not running. */
int container_ended(struct failure *failure);

/* join.c */
/** Forks a process into the container; it ends in execve or tells its failure on `report`. `stdio` is ignored with a terminal.
 *  The process is our own child; its pid comes with its first message. */
int join_spawn(const struct plan *plan, const struct container_handles *container, const int stdio[3], int report, struct failure *failure);

/* session.c */
struct session_options {
    const struct plan *plan;
    const struct container_handles *container;
    int status_fd, notify_fd, client_fd;
};
/** Runs the process to its end; returns its exit code. */
int session_run(const struct session_options *options);

#endif
