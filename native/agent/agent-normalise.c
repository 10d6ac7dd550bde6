/* Uppers that fuse-overlayfs wrote, brought into the kernel's form. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent-tree.h"

static bool starts_with(const char *text, const char *prefix) {
    return !strncmp(text, prefix, strlen(prefix));
}

/* Removes fuse-overlayfs's own xattrs from an open file; `*opaque` when one of them said so. */
static int strip_xattrs(int fd, bool *opaque, uint64_t *changed) {
    char names[AGENT_XATTR], value[2];
    ssize_t size = flistxattr(fd, names, sizeof names);
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -errno;
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        if (!starts_with(name, "user.fuseoverlayfs."))
            continue;
        if (!strcmp(name, "user.fuseoverlayfs.opaque") && fgetxattr(fd, name, value, sizeof value) == 1 && value[0] == 'y')
            *opaque = true;
        if (fremovexattr(fd, name) < 0)
            return -errno;
        ++*changed;
    }
    return 0;
}

/* `.wh.NAME` files of hosts where fuse-overlayfs could not make character devices, and its opaque markers. */
static int replace_marker(int fd, const char *name, bool *opaque, uint64_t *changed) {
    const char *hidden = name + 4;
    ++*changed;
    bool marks_directory = !strcmp(name, ".wh..wh..opq") || !strcmp(name, ".wh..opq");
    *opaque = *opaque || marks_directory;
    if (unlinkat(fd, name, 0) < 0)
        return -errno;
    if (marks_directory || starts_with(hidden, ".wh.") || !*hidden)
        return 0;
    return mknodat(fd, hidden, S_IFCHR, makedev(0, 0)) < 0 && errno != EEXIST ? -errno : 0;
}

static int normalise_directory(int fd, uint64_t *changed);

static int normalise_entry(int fd, const char *name, bool *opaque, uint64_t *changed) {
    struct stat stat;
    bool ignored;
    if (fstatat(fd, name, &stat, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (starts_with(name, ".wh.") && !S_ISDIR(stat.st_mode))
        return replace_marker(fd, name, opaque, changed);
    if (!S_ISDIR(stat.st_mode) && !S_ISREG(stat.st_mode))
        return 0;
    auto_close int child = openat(fd, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (child < 0)
        return -errno;
    return S_ISDIR(stat.st_mode) ? normalise_directory(child, changed) : strip_xattrs(child, &ignored, changed);
}

static int normalise_directory(int fd, uint64_t *changed) {
    struct listing listing;
    struct stat before;
    const struct directory directory = {&(struct place){.fd = fd}, 1};
    bool opaque = false;
    uint64_t at_first = *changed;
    if (fstat(fd, &before) < 0)
        return -errno;
    int result = listing_read(&directory, true, &listing);
    for (size_t i = 0; result == 0 && i < listing.count; i++)
        result = normalise_entry(fd, listing.items[i].name, &opaque, changed);
    listing_release(&listing);
    if (result == 0)
        result = strip_xattrs(fd, &opaque, changed);
    if (result == 0 && opaque)
        result = mark_opaque(fd);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, before.st_mtim};
    if (result == 0 && *changed != at_first && futimens(fd, times) < 0)
        result = -errno;
    return result;
}

int op_normalise(struct agent *agent, struct request *request) {
    const struct handle *handle = handle_at(agent, take_u32(request));
    uint64_t changed = 0;
    int result = complete(request);
    if (result < 0 || !handle)
        return result < 0 ? result : -EBADF;
    if (!handle->writable || handle->count != 1)
        return -EROFS;
    handles_changed(agent, handle);
    result = normalise_directory(handle->bases[0]->fd, &changed);
    if (result < 0)
        return result;
    reply_begin(agent, REPLY_OK);
    put_u64(&agent->out, changed);
    reply_end(agent);
    return 0;
}
