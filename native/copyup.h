/* Copying what an image has under a mount point into the tmpfs that will cover it. */
#ifndef CORACLE_COPYUP_H
#define CORACLE_COPYUP_H

/** Copies the directory `from` (O_PATH) into the directory `to`: files, directories, links, fifos; owners, modes and times.
 *  Runs before any process of the container, follows no link. Returns 0 or -1 with errno. */
int copy_tree(int from, int to);

#endif
