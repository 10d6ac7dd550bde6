/* Containers of bundles: what an OCI runtime starts for others (podman, buildah, containerd), who watch over them. There is no supervisor:
 * the container's init waits at a socket, the gate, until somebody says start, and whoever adopts orphans reaps it. */
#ifndef CORACLE_OCI_H
#define CORACLE_OCI_H

#include "container/init.h"
#include "plan/plan.h"

int oci_create_main(int argc, char **argv);
int oci_exec_main(int argc, char **argv);

/* oci-init.c: I's own part. */
/** Between the new namespaces and the first mount: the creator's word, the bundle's hooks, the root file system. */
int bundle_enter(const struct init_arguments *given, struct failure *failure);
/** Says that all is ready, gives the terminal's `master` (-1: none) away, waits at the gate, runs the hooks. Returns the connection that
 *  wants to know how the start goes, or -1. */
int bundle_await(const struct init_arguments *given, int master, struct failure *failure);

/* hooks.c */
/** Runs the hooks of a kind one after another; each gets the state with this status on its standard input. */
int hooks_run(const struct plan *plan, enum hook_kind kind, const char *status, struct failure *failure);

/* oci-join.c */
/** Enters the namespaces that the plan names by path, so that a clone is in them. */
int join_named(const struct plan *plan, struct failure *failure);
/** What ids there are here, for a plan without a user namespace of its own. */
int read_own_ids(struct plan *plan, struct failure *failure);

/* oci-wait.c */
/** Connects to the socket of a console and gives it the terminal. */
int console_connect(const char *path, struct failure *failure);
int console_send(int console, int master, struct failure *failure);
/** Stays with the process: signals go to it, the terminal (-1: none) is that of our own standard streams. Returns its exit code. */
int process_wait(pid_t pid, int master);

#endif
