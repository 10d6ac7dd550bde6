/* The container's own user namespace, where it is not that of A but one inside of it: the container has some of A's ids, under
 * numbers of its own, and files of the image that belong to ids it does not have. */
#ifndef CORACLE_INNER_H
#define CORACLE_INNER_H

#include "files/root.h"
#include "plan/plan.h"

/** Makes it, from A. Returns its descriptor. */
int inner_make(const struct id_map *map, struct failure *failure);
/** The user namespace that contains `inner`. */
int inner_parent(int inner, struct failure *failure);
/** What only A may do for the container's mounts: gives new volumes, and what is to be the container's, to root of the container. */
int inner_prepare(const struct plan *plan, const struct scratch *scratch, struct failure *failure);
/** In I, which still has the caller's id there: the root file system becomes a mount of I's own. Returns its descriptor. */
int inner_claim_root(const struct scratch *scratch, struct failure *failure);
/** I becomes uid 0 of it. The host's directories that are the caller's alone are closed to it from then on. */
int inner_become_root(const struct id_map *map, struct failure *failure);

#endif
