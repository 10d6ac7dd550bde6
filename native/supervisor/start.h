/* What `run` and `exec` share: reading the plan, and how a supervising process gets apart from its caller. */
#ifndef CORACLE_START_H
#define CORACLE_START_H

#include "plan/plan.h"

struct start_arguments {
    const struct plan *plan;
    void *context;
    /** Gets one byte, the exit code, when a detached caller may go; -1 else. */
    int notify;
    /** The foreground client's socket and where warnings are shown; -1 else. */
    int client, prose;
    /** The caller's streams where the container is to have them; -1 else. */
    int passed[3];
};

/** Seals the program, claims the status descriptor, hides memory and descriptors from other processes, reads the plan. */
/**
 * `coracle-sv SUB-COMMAND served`: the caller becomes the client of the foreground itself, with the other end of the stream socket on CLIENT_FD.
 * Then this process is the supervising one, and nobody waits for what it says on standard error.
 */
bool start_is_served(char *const *arguments);
int start_prepare(char *const *arguments, enum plan_kind kind, struct plan *plan, struct failure *failure);
/** Tells a failure on the status descriptor and on standard error; returns its exit code. */
int start_refuse(const struct failure *failure);
/** Modes detach and foreground: forks `supervise` into its own session. Returns the exit code for this process, or -1. */
int start_apart(const struct plan *plan, void (*supervise)(const struct start_arguments *), void *context, struct failure *failure);

#endif
