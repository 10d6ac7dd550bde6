/* A shell's own user and mount namespace, and mounts in it: `coracle unshare` and the mount verbs. */
#ifndef CORACLE_UNSHARE_H
#define CORACLE_UNSHARE_H

/** `coracle-sv unshare`: plan on descriptor 3; becomes its command as root of a new user and mount namespace. */
int unshare_main(int argc, char **argv);
/** `coracle-sv mount`: mounts the plan's root at its `dir`, in the mount namespace of the caller. */
int mount_main(int argc, char **argv);
/** `coracle-sv umount`: undoes it. */
int umount_main(int argc, char **argv);

#endif
