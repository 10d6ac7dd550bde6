/* `coracle-sv probe NAME [ARGUMENT...]`: does this host do a thing? Tried, not guessed. */
#ifndef CORACLE_PROBE_H
#define CORACLE_PROBE_H

#include "plan/plan.h"

/** One probe: 0 when it works; else -1 with `failure` saying where it stopped. `detail` (256 bytes) may be filled in either case. */
struct probe_context {
    char **arguments;
    size_t count;
    char detail[256];
    struct failure failure;
};

/** Prints one line of JSON; 0 when the probe could be run, whatever it found; 125 for a wrong invocation. */
int probe_main(int argc, char **argv);

/* probe-mounts.c: run inside a new user and mount namespace */
int probe_overlay(struct probe_context *probe);
int probe_owners(struct probe_context *probe);
int probe_fuse_overlayfs(struct probe_context *probe);
int probe_proc(struct probe_context *probe);
int probe_idmapped(struct probe_context *probe);

#endif
