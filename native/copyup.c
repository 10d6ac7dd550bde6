#define _GNU_SOURCE
#include "copyup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "util.h"

enum { MAX_DEPTH = 128 };

static int copy_directory(int from, int to, int depth);

static int copy_attributes(int directory, const char *name, const struct stat *status) {
    const struct timespec times[2] = {status->st_atim, status->st_mtim};
    if (fchownat(directory, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (!S_ISLNK(status->st_mode) && fchmodat(directory, name, status->st_mode & 07777, 0) < 0)
        return -1;
    return utimensat(directory, name, times, AT_SYMLINK_NOFOLLOW);
}

static int copy_content(int from, int to, const char *name, off_t size) {
    auto_close int in = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    auto_close int out = in < 0 ? -1 : openat(to, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    if (out < 0)
        return -1;
    while (size > 0) {
        ssize_t sent = sendfile(out, in, NULL, (size_t)size);
        if (sent <= 0)
            return (int)sent;
        size -= sent;
    }
    return 0;
}

static int copy_link(int from, int to, const char *name) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(from, name, target, sizeof target - 1);
    if (length < 0)
        return -1;
    target[length] = 0;
    return symlinkat(target, to, name);
}

static int copy_subdirectory(int from, int to, const char *name, int depth) {
    if (mkdirat(to, name, 0700) < 0)
        return -1;
    auto_close int below = openat(from, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    auto_close int made = below < 0 ? -1 : openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return made < 0 ? -1 : copy_directory(below, made, depth + 1);
}

static int copy_entry(int from, int to, const char *name, int depth) {
    struct stat status;
    int result;
    if (fstatat(from, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return -1;
    if (S_ISDIR(status.st_mode))
        result = copy_subdirectory(from, to, name, depth);
    else if (S_ISREG(status.st_mode))
        result = copy_content(from, to, name, status.st_size);
    else if (S_ISLNK(status.st_mode))
        result = copy_link(from, to, name);
    else if (S_ISFIFO(status.st_mode))
        result = mkfifoat(to, name, 0600);
    else
        return 0; /* sockets and devices have no meaning in a copy */
    return result < 0 ? -1 : copy_attributes(to, name, &status);
}

static int copy_directory(int from, int to, int depth) {
    int listed = depth > MAX_DEPTH ? -1 : fcntl(from, F_DUPFD_CLOEXEC, 3);
    DIR *directory = listed < 0 ? NULL : fdopendir(listed);
    int result = 0;
    if (!directory) {
        if (listed >= 0)
            close(listed);
        errno = depth > MAX_DEPTH ? ELOOP : errno;
        return -1;
    }
    for (struct dirent *entry; result == 0 && (errno = 0, entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            result = copy_entry(from, to, entry->d_name, depth);
    int saved = errno;
    closedir(directory);
    errno = saved;
    return result < 0 || saved != 0 ? -1 : 0;
}

int copy_tree(int from, int to) {
    struct stat status;
    auto_close int source = openat(from, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (source < 0 || fstat(source, &status) < 0 || copy_directory(source, to, 0) < 0)
        return -1;
    return copy_attributes(to, ".", &status); /* a new mount's descriptor is O_PATH: fchown would refuse it */
}
