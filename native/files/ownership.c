#define _GNU_SOURCE
#include "ownership.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>

enum { MAX_DEPTH = 400 };

/** What is done to each file. */
struct change {
    uid_t uid;
    gid_t gid;
    /** NULL: the owner is changed. */
    const char *label;
    dev_t device;
    /** The name at which it failed. */
    char failed[256];
};

static int change_owner(int parent, const char *name, const struct stat *status, const struct change *change) {
    if (status->st_uid == change->uid && status->st_gid == change->gid)
        return 0;
    return fchownat(parent, name, change->uid, change->gid, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
}

static int change_label(int parent, const char *name, const struct change *change) {
    char path[40 + 256];
    snprintf(path, sizeof path, "/proc/self/fd/%d%s%s", parent, *name ? "/" : "", name);
    /* The descriptor's own link leads to the file; a link that is an entry of a directory is labelled itself. */
    int result = *name ? lsetxattr(path, "security.selinux", change->label, strlen(change->label) + 1, 0)
                       : setxattr(path, "security.selinux", change->label, strlen(change->label) + 1, 0);
    return result < 0 && errno != EOPNOTSUPP ? -1 : 0;
}

static int change_directory(int directory, struct change *change, int depth);

static int change_entry(int parent, const char *name, struct change *change, int depth) {
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH) < 0)
        return errno == ENOENT ? 0 : -1; /* somebody else uses the volume as well */
    if (status.st_dev != change->device)
        return 0;
    if ((change->label ? change_label(parent, name, change) : change_owner(parent, name, &status, change)) < 0) {
        snprintf(change->failed, sizeof change->failed, "%s", name);
        return -1;
    }
    if (!S_ISDIR(status.st_mode))
        return 0;
    int directory = openat(parent, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return directory < 0 ? (errno == ENOENT || errno == ENOTDIR ? 0 : -1) : change_directory(directory, change, depth + 1);
}

/** Takes the descriptor over. */
static int change_directory(int directory, struct change *change, int depth) {
    DIR *listing = depth > MAX_DEPTH ? NULL : fdopendir(directory);
    int result = 0;
    if (!listing) {
        close(directory);
        errno = depth > MAX_DEPTH ? ELOOP : errno;
        return -1;
    }
    for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(listing));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = change_entry(directory, entry->d_name, change, depth);
    int saved = errno;
    closedir(listing);
    errno = saved;
    return result < 0 || saved != 0 ? -1 : 0;
}

static int change_tree(int tree, struct change *change, const char *what, struct failure *failure) {
    struct stat status;
    if (fstat(tree, &status) < 0)
        return fail(failure, "mount", errno, "%s", what);
    change->device = status.st_dev;
    return change_entry(tree, "", change, 0) < 0 ? fail(failure, "mount", errno, "%s %s", what, change->failed) : 0;
}

int give_tree(int tree, uid_t uid, gid_t gid, struct failure *failure) {
    struct change change = {.uid = uid, .gid = gid};
    return change_tree(tree, &change, "change the owner of", failure);
}

int label_tree(int tree, const char *label, struct failure *failure) {
    struct change change = {.label = label};
    return change_tree(tree, &change, "relabel", failure);
}
