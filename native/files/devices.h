/* /dev: a tmpfs filled through its descriptor, and device nodes bound from the host. */
#ifndef CORACLE_DEVICES_H
#define CORACLE_DEVICES_H

#include "base/util.h"

enum { DEVICE_NODES = 6 };

/** A detached tmpfs with the usual files, links and directories. */
int devices_mount(unsigned attributes, const char *size, struct failure *failure);
/** Detached copies of the host's null, zero, full, random, urandom and tty, taken while the host is still there. */
int devices_open(int nodes[DEVICE_NODES], struct failure *failure);
/** Attaches them to the files devices_mount made, now at `destination`, and closes them. */
int devices_attach(int root, const char *destination, const int nodes[DEVICE_NODES], struct failure *failure);
/** A detached copy of one host device node; anything but a character or block device is refused. */
int device_tree(const char *source, struct failure *failure);

#endif
