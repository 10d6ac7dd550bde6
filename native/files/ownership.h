/* What a mount asks to be done to all files of its source: another owner, another SELinux label. */
#ifndef CORACLE_OWNERSHIP_H
#define CORACLE_OWNERSHIP_H

#include "base/util.h"

/** Gives the tree at `tree` (O_PATH) to a user and a group. Follows no link, leaves what is mounted below it alone. */
int give_tree(int tree, uid_t uid, gid_t gid, struct failure *failure);
/** Sets the label of all of it; a file system without labels is left as it is. Needs /proc. */
int label_tree(int tree, const char *label, struct failure *failure);

#endif
