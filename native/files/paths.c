#define _GNU_SOURCE
#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/syscalls.h"

enum { MAX_LINKS = 40 };

static uint64_t resolve_flags(enum path_rule rule) {
    return rule == PATH_STRICT ? RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS : RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
}

int path_open(int root, const char *path, enum path_rule rule) {
    if (rule == PATH_STRICT)
        path += strspn(path, "/");
    return sys_openat2(root, *path ? path : ".", O_PATH, resolve_flags(rule));
}

/** Makes one missing component. EEXIST means a dangling link or another process was there first. */
static int make_component(int parent, const char *name, enum path_kind kind) {
    if (kind == PATH_DIRECTORY)
        return mkdirat(parent, name, 0755);
    auto_close int file = openat(parent, name, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC | O_NOFOLLOW, 0644);
    return file < 0 ? -1 : 0;
}

/** Writes what the path becomes once the dangling link `parent/name` is replaced by its target. */
static int follow_dangling(int parent, const char *path, size_t parent_length, const char *name, const char *rest, char out[PATH_MAX]) {
    char target[PATH_MAX];
    ssize_t length = readlinkat(parent, name, target, sizeof target - 1);
    if (length <= 0)
        return -1;
    target[length] = 0;
    int written = target[0] == '/' ? snprintf(out, PATH_MAX, "%s%s", target, rest) : snprintf(out, PATH_MAX, "%.*s/%s%s", (int)parent_length, path, target, rest);
    if (written < PATH_MAX)
        return 0;
    errno = ENAMETOOLONG;
    return -1;
}

/** One walk along `path`, making what is missing. 1: a dangling link was met and `next` holds the path to try instead. */
static int walk(int root, const char *path, enum path_rule rule, enum path_kind kind, char next[PATH_MAX], int *result) {
    char prefix[PATH_MAX];
    auto_close int parent = path_open(root, ".", rule);
    size_t at = 0, parent_length = 0;
    while (parent >= 0) {
        at += strspn(path + at, "/");
        size_t length = strcspn(path + at, "/");
        size_t after = at + length;
        bool last = path[after + strspn(path + after, "/")] == 0;
        if (length == 0) {
            *result = take_fd(&parent);
            return 0;
        }
        memcpy(prefix, path, after);
        prefix[after] = 0;
        int found = path_open(root, prefix, rule);
        if (found < 0 && errno != ENOENT)
            return -1;
        if (found < 0 && make_component(parent, prefix + at, last ? kind : PATH_DIRECTORY) < 0) {
            if (errno != EEXIST || rule == PATH_STRICT)
                return -1;
            return follow_dangling(parent, path, parent_length, prefix + at, path + after, next) < 0 ? -1 : 1;
        }
        if (found < 0 && (found = path_open(root, prefix, rule)) < 0)
            return -1;
        close(parent);
        parent = found;
        parent_length = at = after;
    }
    return -1;
}

int path_create(int root, const char *path, enum path_rule rule, enum path_kind kind) {
    char current[PATH_MAX], next[PATH_MAX];
    int result = path_open(root, path, rule);
    if (result >= 0 || errno != ENOENT)
        return result;
    if (strlen(path) >= sizeof current) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(current, path);
    for (int links = 0; links < MAX_LINKS; links++) {
        int walked = walk(root, current, rule, kind, next, &result);
        if (walked <= 0)
            return walked < 0 ? -1 : result;
        strcpy(current, next);
    }
    errno = ELOOP;
    return -1;
}

int path_reopen(int fd, int flags) {
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, flags | O_CLOEXEC);
}

bool path_is_proc(int fd) {
    struct statfs status;
    return fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}
