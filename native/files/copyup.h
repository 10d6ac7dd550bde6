/* Copying what an image has under a mount point into what will cover it: a tmpfs, or a volume at its first use. */
#ifndef CORACLE_COPYUP_H
#define CORACLE_COPYUP_H

#include <stdbool.h>

/** Copies the directory `from` (O_PATH) into the directory `to`: files, directories, links, hard links, fifos; owners, modes, times and
 *  extended attributes. Runs before any process of the container, follows no link. Returns 0 or -1 with errno. */
int copy_tree(int from, int to);
/** The same into a volume that nothing is in yet, once, whoever else begins to do so; a copy that was broken off goes on.
 *  `keep_owner`: the volume's own directory stays as it is. Returns 1, or 0 for a volume that was filled already, or -1. */
int copy_into_volume(int from, int to, bool keep_owner);

/** Whether the volume, a directory, is still to be filled: 1 or 0, -1 where that cannot be seen. */
int copyup_pending(int volume);

#endif
