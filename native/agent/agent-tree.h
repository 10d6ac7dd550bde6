/* What flatten and compare share: copying trees with their hard links, and small checks. */
#ifndef CORACLE_AGENT_TREE_H
#define CORACLE_AGENT_TREE_H

#include "agent.h"

/** A copy in progress. `path` is where it stands, below `root`; names of files with several links are remembered as such paths. */
struct tree_copy {
    struct agent *agent;
    int root;
    struct links links;
    uint64_t entries;
    size_t length;
    char path[AGENT_PATH];
};

int tree_push(struct tree_copy *copy, const char *name);
void tree_pop(struct tree_copy *copy, size_t length);
/** Copies one entry at copy->path; a second name of a file copied before becomes a link. */
int tree_copy_leaf(struct tree_copy *copy, int from, const char *name, const struct stat *stat, int to);
int tree_copy_directory(struct tree_copy *copy, const struct directory *from, int to, const char *name);
int tree_copy_children(struct tree_copy *copy, const struct directory *from, int to);

int set_time_like(int fd, int like);
/** -ENOTEMPTY when the open directory has entries. */
int check_empty(int fd);

#endif
