/* What a container tells the service manager: sd_notify(3) through S, which is the service's main process. */
#ifndef CORACLE_NOTIFY_H
#define CORACLE_NOTIFY_H

#include "plan/plan.h"

struct supervisor;

/** Mode container: makes the socket that the container writes to. */
int notify_open(struct supervisor *supervisor, struct failure *failure);
/** The container has started: S is the main process from here on. With mode conmon the service is ready. */
void notify_started(struct supervisor *supervisor);
/** Mode healthy: its check says that it does well. */
void notify_healthy(struct supervisor *supervisor);
void notify_close(struct supervisor *supervisor);

#endif
