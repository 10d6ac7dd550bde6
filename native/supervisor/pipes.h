/* The standard streams of a container process: pipes between it and the relay, or the caller's own. */
#ifndef CORACLE_PIPES_H
#define CORACLE_PIPES_H

#include "relay.h"

/** Fills `container` with the process's ends and gives ours to the relay. With a terminal they are placeholders. */
int pipes_make(const struct plan *plan, struct relay *relay, int container[3], struct failure *failure);

#endif
