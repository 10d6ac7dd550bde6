/* Who the process is: user, group and supplementary groups, resolved from the container's own files. */
#ifndef CORACLE_IDENTITY_H
#define CORACLE_IDENTITY_H

#include "plan/plan.h"

enum { MAX_GROUPS = 256 };

struct identity {
    uid_t uid;
    gid_t gid;
    gid_t groups[MAX_GROUPS];
    size_t group_count;
    char home[1024];
};

/** Resolves `user[:group]` and the extra groups. Names come from <root>/etc/passwd and group, read as regular files of at
 *  1 MiB; numbers need no entry. `map` may be NULL, else every id must be mapped. */
int identity_resolve(int root, const char *user, const struct strings *groups, const struct id_map *map, struct identity *identity, struct failure *failure);

#endif
