/* What a container shares with the one whose ipc namespace it uses: mounts out of that one's mount namespace. */
#ifndef CORACLE_SHARED_H
#define CORACLE_SHARED_H

#include "plan/plan.h"
#include "root.h"

/** Takes the sources of the plan's `neighbour` mounts from the mount namespace and mounts them in A's scratch file system. */
int shared_mount(const struct plan *plan, int mount_namespace, struct scratch *scratch, struct failure *failure);

#endif
