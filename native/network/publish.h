/* Listeners of published ports, bound on the host before anything starts: a taken port is an error then, not a surprise later. */
#ifndef CORACLE_PUBLISH_H
#define CORACLE_PUBLISH_H

#include "plan/plan.h"

/** Fills `listeners` (one per port of the plan). On -1 none stays open. */
int publish_bind(const struct plan *plan, int *listeners, struct failure *failure);
/** Writes one line `proto host-address host-port container-address container-port` per port, with the ports really bound. */
size_t publish_text(const struct plan *plan, const uint16_t *bound, char *out, size_t room);
/** The port a listener is bound to. */
uint16_t publish_port(int listener);

#endif
