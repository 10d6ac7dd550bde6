/* A pseudo-terminal of the container's own devpts; the user's terminal never enters the container. */
#ifndef CORACLE_TERMINAL_H
#define CORACLE_TERMINAL_H

#include "base/util.h"

struct terminal {
    int master, peer;
};

/** Opens a pair below `root` without trusting any path, sets its size, gives it to `owner`. */
int terminal_open(int root, unsigned rows, unsigned columns, uid_t owner, struct terminal *terminal, struct failure *failure);
/** Binds the peer on /dev/console. */
int terminal_console(int root, int peer, struct failure *failure);
/** 0 or -1. */
int terminal_resize(int master, unsigned rows, unsigned columns);

#endif
