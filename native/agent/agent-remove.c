/* Removal of whole trees, however deep they are. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"

/* Deeper directories are moved up beside the start and removed from there: a hostile tree costs neither descriptors nor stack. */
enum { REMOVE_DEPTH = 64 };

struct removal {
    int base;
    unsigned moved;
};

int rename_new(int from_directory, const char *from, int to_directory, const char *to) {
    enum { NOREPLACE = 1 /* RENAME_NOREPLACE, which musl does not name */ };
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, NOREPLACE);
}

static int move_up(struct removal *removal, int parent, const char *name) {
    char spare[40];
    do {
        snprintf(spare, sizeof spare, ".coracle-removed-%u", removal->moved++);
        if (rename_new(parent, name, removal->base, spare) == 0)
            return 0;
    } while (errno == EEXIST);
    return -errno;
}

static int remove_entry(struct removal *removal, int parent, const char *name, unsigned depth);

static int empty_directory(struct removal *removal, int fd, unsigned depth) {
    DIR *stream = fdopendir(fd);
    if (!stream) {
        close(fd);
        return -ENOMEM;
    }
    int result = 0;
    const struct dirent *entry;
    while (result == 0 && (errno = 0, entry = readdir(stream))) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") != 0 && strcmp(name, "..") != 0)
            result = remove_entry(removal, dirfd(stream), name, depth);
    }
    if (result == 0 && errno != 0)
        result = -errno;
    closedir(stream);
    return result;
}

static int remove_entry(struct removal *removal, int parent, const char *name, unsigned depth) {
    if (unlinkat(parent, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return errno == ENOENT ? 0 : -errno;
    if (unlinkat(parent, name, AT_REMOVEDIR) == 0 || errno == ENOENT) /* somebody else empties the same trash */
        return 0;
    if (errno != ENOTEMPTY && errno != EEXIST)
        return -errno;
    if (depth >= REMOVE_DEPTH)
        return move_up(removal, parent, name);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    int result = empty_directory(removal, fd, depth + 1);
    if (result == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        result = -errno;
    return result;
}

int remove_tree(int parent, const char *name) {
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT)
        return 0;
    auto_close int base = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (base < 0)
        return errno == ENOENT ? 0 : -errno;
    struct removal removal = {.base = base};
    for (;;) {
        unsigned before = removal.moved;
        int fd = openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int result = fd < 0 ? -errno : empty_directory(&removal, fd, 1);
        if (result < 0)
            return result == -ENOENT ? 0 : result;
        if (removal.moved == before)
            break;
    }
    return unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT ? -errno : 0;
}
