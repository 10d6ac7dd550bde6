#define _GNU_SOURCE
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <time.h>

#include "agent/agent.h"
#include "base/util.h"

enum { MAX_DEPTH = 128, LOCK_TRIES = 3000, LOCK_PAUSE_NS = 10000000 };

/** A volume that has it is being filled. */
static const char filling[] = "user.coracle.filling";

/** A file with several names, and the first of them in the copy. */
struct linked {
    dev_t device;
    ino_t inode;
    char path[];
};

struct copy {
    int root;
    /** Another copy was broken off: what it made is there. */
    bool again;
    /** What is made has the group of its directory. */
    bool inherits;
    void *links;
    char path[PATH_MAX];
    char value[AGENT_XATTR];
};

static int copy_entries(struct copy *copy, int from, int to, int depth);

static int compare_links(const void *a, const void *b) {
    const struct linked *one = a, *two = b;
    if (one->device != two->device)
        return one->device < two->device ? -1 : 1;
    return one->inode < two->inode ? -1 : one->inode > two->inode;
}

static int copy_attributes(int directory, const char *name, const struct stat *status) {
    const struct timespec times[2] = {status->st_atim, status->st_mtim};
    if (fchownat(directory, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!S_ISLNK(status->st_mode) && fchmodat(directory, name, status->st_mode & 07777, 0) < 0)
        return -1;
    return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

/** After the owner: chown(2) drops security.capability. What the volume's file system cannot keep is left out. */
static int copy_xattrs(struct copy *copy, int from, int to) {
    char names[AGENT_XATTR];
    ssize_t size = flistxattr(from, names, sizeof names);
    for (char *name = names; size > 0 && name < names + size; name += strlen(name) + 1) {
        if (!xattr_allowed(name) || strcmp(name, filling) == 0)
            continue;
        ssize_t length = fgetxattr(from, name, copy->value, sizeof copy->value);
        if (length < 0 || (fsetxattr(to, name, copy->value, (size_t)length, 0) < 0 && errno != EOPNOTSUPP))
            return -1;
    }
    return 0;
}

/** The mode that it is made with: where umask(2) and chown(2) leave it alone, the one it keeps. */
static mode_t first_mode(const struct stat *status) {
    return status->st_mode & (07000 | 022) ? 0600 : status->st_mode & 0777;
}

static int fill_file(struct copy *copy, int in, int out, const struct stat *status) {
    const struct timespec times[2] = {status->st_atim, status->st_mtim};
    int result = copy_content(in, out, (uint64_t)status->st_size);
    if (result < 0) {
        errno = -result;
        return -1;
    }
    if ((copy->inherits || status->st_uid != 0 || status->st_gid != 0) && fchown(out, status->st_uid, status->st_gid) < 0)
        return -1;
    if ((status->st_mode & 07777) != first_mode(status) && fchmod(out, status->st_mode & 07777) < 0)
        return -1;
    if (copy_xattrs(copy, in, out) < 0)
        return -1;
    return futimens(out, times); /* the last thing: a file that has its time is whole */
}

static int copy_content_of(struct copy *copy, int from, int to, const char *name, const struct stat *status) {
    auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    auto_close int out = in < 0 ? -1 : openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, first_mode(status));
    return out < 0 ? -1 : fill_file(copy, in, out, status);
}

/** Whether a copy that was broken off had done with a file; what it left of another one is taken away. */
static bool is_done(const struct copy *copy, int to, const char *name, const struct stat *status) {
    struct stat there;
    if (!copy->again || fstatat(to, name, &there, AT_SYMLINK_NOFOLLOW) < 0)
        return false;
    bool same = there.st_size == status->st_size && there.st_mtim.tv_sec == status->st_mtim.tv_sec && there.st_mtim.tv_nsec == status->st_mtim.tv_nsec;
    if (!same)
        unlinkat(to, name, 0);
    return same;
}

/** 1: the file has been copied under another name, and now has this one too. */
static int copy_hard_link(struct copy *copy, int to, const char *name, const struct stat *status) {
    struct linked *entry = malloc(sizeof *entry + strlen(copy->path) + 1);
    if (!entry)
        return -1;
    *entry = (struct linked){.device = status->st_dev, .inode = status->st_ino};
    strcpy(entry->path, copy->path);
    struct linked **found = tsearch(entry, &copy->links, compare_links);
    if (found && *found == entry)
        return 0;
    free(entry);
    return !found || linkat(copy->root, (*found)->path, to, name, 0) < 0 ? -1 : 1;
}

static int copy_regular(struct copy *copy, int from, int to, const char *name, const struct stat *status) {
    bool done = is_done(copy, to, name, status);
    int linked = status->st_nlink > 1 && *copy->path ? copy_hard_link(copy, to, name, status) : 0;
    if (linked < 0)
        return done && errno == EEXIST ? 0 : -1;
    return linked > 0 || done ? 0 : copy_content_of(copy, from, to, name, status);
}

static int copy_link(int from, int to, const char *name) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0)
        return -1;
    target[length] = 0;
    return symlinkat(target, to, name);
}

static int copy_subdirectory(struct copy *copy, int from, int to, const char *name, int depth) {
    if (mkdirat(to, name, 0700) < 0 && !(copy->again && errno == EEXIST))
        return -1;
    auto_close int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int made = below < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return made < 0 || copy_entries(copy, below, made, depth + 1) < 0 ? -1 : copy_xattrs(copy, below, made);
}

static int copy_entry(struct copy *copy, int from, int to, const char *name, int depth) {
    struct stat status;
    int result;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISREG(status.st_mode))
        return copy_regular(copy, from, to, name, &status);
    if (S_ISDIR(status.st_mode))
        result = copy_subdirectory(copy, from, to, name, depth);
    else if (S_ISLNK(status.st_mode))
        result = copy_link(from, to, name);
    else if (S_ISFIFO(status.st_mode))
        result = mkfifoat(to, name, 0600);
    else
        return 0; /* sockets and devices have no meaning in a copy */
    if (result < 0 && copy->again && errno == EEXIST)
        return 0;
    return result < 0 ? -1 : copy_attributes(to, name, &status);
}

/** Extends the path of what is copied; where there is no room, hard links below become files of their own. */
static size_t push_name(struct copy *copy, const char *name, bool *fits) {
    size_t length = strlen(copy->path), more = strlen(name);
    *fits = length + more + 2 < sizeof copy->path && (length > 0 || copy->root >= 0);
    if (*fits)
        snprintf(copy->path + length, sizeof copy->path - length, "%s%s", length > 0 ? "/" : "", name);
    return length;
}

static int copy_entries(struct copy *copy, int from, int to, int depth) {
    int listed = depth > MAX_DEPTH ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 3);
    DIR *directory = listed < 0 ? NULL : fdopendir(listed);
    int result = 0;
    if (!directory) {
        if (listed >= 0)
            close(listed);
        errno = depth > MAX_DEPTH ? ELOOP : errno;
        return -1;
    }
    for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(directory));) {
        bool fits;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        size_t length = push_name(copy, entry->d_name, &fits);
        result = copy_entry(copy, from, to, entry->d_name, depth);
        int saved = errno;
        copy->path[length] = 0;
        errno = saved;
    }
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result < 0 || saved != 0 ? -1 : 0;
}

static int copy_all(int source, int target, bool again) {
    struct stat status;
    struct copy *copy = calloc(1, sizeof *copy);
    if (!copy)
        return -1;
    copy->inherits = fstat(target, &status) < 0 || (status.st_mode & S_ISGID) != 0;
    copy->root = target;
    copy->again = again;
    int result = copy_entries(copy, source, target, 0), saved = errno;
    tdestroy(copy->links, free);
    free(copy);
    errno = saved;
    return result;
}

int copy_tree(int from, int to) {
    struct stat status;
    auto_close int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int target = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0 || target < 0 || fstat(source, &status) < 0 || copy_all(source, target, false) < 0)
        return -1;
    return copy_attributes(target, ".", &status);
}

/** -1 where it cannot be read. */
static int is_empty(int directory) {
    int listed = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *listing = listed < 0 ? NULL : fdopendir(listed);
    int entries = 0;
    if (!listing) {
        if (listed >= 0)
            close(listed);
        return -1;
    }
    while (entries < 3 && readdir(listing))
        entries++;
    closedir(listing);
    return entries < 3;
}

int copyup_pending(int volume) {
    auto_close int directory = openat(volume, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return directory < 0 ? -1 : fgetxattr(directory, filling, NULL, 0) >= 0 ? 1 : is_empty(directory);
}

/** Whoever is second waits until the first has filled it. A container that holds the lock for ever has filled it as well. */
static int lock_volume(int directory) {
    for (int tries = 0; flock(directory, LOCK_EX | LOCK_NB) < 0; tries++) {
        if (errno != EWOULDBLOCK || tries == LOCK_TRIES)
            return -1;
        nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_NS}, NULL);
    }
    return 0;
}

static int fill_volume(int source, int target, bool again, bool keep_owner) {
    struct stat status;
    if (!again && fsetxattr(target, filling, "1", 1, 0) < 0 && errno != EOPNOTSUPP)
        return -1;
    if (fstat(source, &status) < 0 || copy_all(source, target, again) < 0)
        return -1;
    if (!keep_owner && copy_attributes(target, ".", &status) < 0)
        return -1;
    return fremovexattr(target, filling) < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -1 : 1;
}

int copy_into_volume(int from, int to, bool keep_owner) {
    auto_close int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    auto_close int target = openat(to, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0 || target < 0)
        return -1;
    int empty = is_empty(target);
    if (empty < 0 || (empty == 0 && fgetxattr(target, filling, NULL, 0) < 0))
        return empty < 0 ? -1 : 0;
    if (lock_volume(target) < 0)
        return -1;
    bool again = fgetxattr(target, filling, NULL, 0) >= 0;
    empty = is_empty(target);
    return empty < 0 ? -1 : empty || again ? fill_volume(source, target, again, keep_owner) : 0;
}
