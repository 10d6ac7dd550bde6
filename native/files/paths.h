/* Paths inside the container's root: nothing resolved here can leave it. */
#ifndef CORACLE_PATHS_H
#define CORACLE_PATHS_H

#include "base/util.h"

enum path_kind { PATH_FILE, PATH_DIRECTORY };
/** PATH_STRICT: no symbolic link anywhere (an image may not redirect /proc, /sys, /dev). PATH_IN_ROOT: links resolve as in a chroot. */
enum path_rule { PATH_STRICT, PATH_IN_ROOT };

/** Opens `path` below `root` with O_PATH; -1 with errno. */
int path_open(int root, const char *path, enum path_rule rule);
/** As path_open, and makes what is missing: directories 0755, the last component as `kind` says. A dangling link's target is made. */
int path_create(int root, const char *path, enum path_rule rule, enum path_kind kind);
/** Reopens an O_PATH descriptor for use. */
int path_reopen(int fd, int flags);
/** True when the descriptor is on procfs. */
bool path_is_proc(int fd);

#endif
