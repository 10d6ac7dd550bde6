/* Copies inside the agent: content, single entries with all their attributes, and copying up from below. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "agent.h"

enum { SMALL_FILE = 64 << 10, COPY_CHUNK = 128 << 10, HOLE = 32 << 10, PAGE = 4096 };

static bool is_zero(const char *bytes, size_t size) {
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

int write_content(int fd, const char *bytes, size_t size, bool last) {
    bool hole = false;
    /* Parts come as the sender has them: one that is zero as a whole needs no alignment. */
    const bool zero = size >= PAGE && is_zero(bytes, size);
    for (size_t done = 0, part; done < size; done += part) {
        part = zero ? size : size - done < HOLE ? size - done : HOLE;
        hole = zero || (part == HOLE && is_zero(bytes + done, part));
        if (hole ? lseek(fd, (off_t)part, SEEK_CUR) < 0 : write_full(fd, bytes + done, part) < 0)
            return -errno;
    }
    /* What was left out at the end is part of the file. */
    return last && hole && ftruncate(fd, lseek(fd, 0, SEEK_CUR)) < 0 ? -errno : 0;
}

static int copy_by_reading(int from, int to) {
    char buffer[COPY_CHUNK];
    for (;;) {
        ssize_t got = read(from, buffer, sizeof buffer);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            return ftruncate(to, lseek(to, 0, SEEK_CUR)) < 0 ? -errno : 0;
        int result = write_content(to, buffer, (size_t)got, false);
        if (result < 0)
            return result;
    }
}

/* -1 with errno as copy_file_range(2) has it. */
static int copy_range(int from, int to, off_t at, off_t end) {
    off_t target = at;
    while (at < end) {
        ssize_t got = copy_file_range(from, &at, to, &target, (size_t)(end - at), 0);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
    }
    return 0;
}

/* Only what is there: holes stay holes. */
static int copy_data(int from, int to, off_t size) {
    off_t hole = 0, data;
    while (hole < size && (data = lseek(from, hole, SEEK_DATA)) >= 0) {
        if ((hole = lseek(from, data, SEEK_HOLE)) < 0 || copy_range(from, to, data, hole) < 0)
            return -1;
    }
    if (hole < size && errno != ENXIO)
        return -1;
    return ftruncate(to, size);
}

/* Kernels and file systems differ in what they can clone or copy by themselves; what they refuse is read and written. */
int copy_content(int from, int to, uint64_t size) {
    if (size <= SMALL_FILE)
        return copy_by_reading(from, to);
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    if (copy_data(from, to, (off_t)size) == 0)
        return 0;
    bool refused = errno == EXDEV || errno == EINVAL || errno == ENOSYS || errno == EOPNOTSUPP || errno == EPERM;
    if (!refused)
        return -errno;
    return lseek(from, 0, SEEK_SET) < 0 || lseek(to, 0, SEEK_SET) < 0 ? -errno : copy_by_reading(from, to);
}

static int copy_file_into(const struct agent *agent, int from, int to, const struct stat *stat) {
    struct meta meta;
    meta_of(stat, META_MODE | META_OWNER, &meta);
    if (agent->single_id)
        meta.mask = META_MODE;
    int result = copy_content(from, to, (uint64_t)stat->st_size);
    if (result == 0)
        result = meta_apply_fd(agent, to, &meta);
    /* After the owner: chown(2) drops security.capability. */
    if (result == 0)
        result = xattrs_copy(agent, from, to);
    if (result == 0 && futimens(to, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, stat->st_mtim}) < 0)
        result = -errno;
    return result;
}

static int copy_regular(const struct agent *agent, int from, const char *name, int to, const char *to_name) {
    struct stat now;
    auto_close int source = openat(from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (source < 0 || fstat(source, &now) < 0)
        return -errno;
    if (!S_ISREG(now.st_mode))
        return -ESTALE;
    auto_close int copy = openat(to, to_name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    return copy < 0 ? -errno : copy_file_into(agent, source, copy, &now);
}

static int copy_link(int from, const char *name, int to, const char *to_name) {
    char text[AGENT_PATH + 1];
    ssize_t size = readlinkat(from, name, text, sizeof text);
    if (size < 0)
        return -errno;
    if ((size_t)size >= sizeof text)
        return -ENAMETOOLONG;
    text[size] = 0;
    return symlinkat(text, to, to_name) < 0 ? -errno : 0;
}

int copy_leaf(const struct agent *agent, int from, const char *name, const struct stat *stat, int to, const char *to_name) {
    struct meta meta;
    if (S_ISREG(stat->st_mode))
        return copy_regular(agent, from, name, to, to_name);
    int result = S_ISLNK(stat->st_mode)                                  ? copy_link(from, name, to, to_name)
                 : mknodat(to, to_name, stat->st_mode, stat->st_rdev) < 0 ? -errno
                                                                          : 0;
    meta_of(stat, META_MODE | META_OWNER | META_TIME | META_LINK_TIME, &meta);
    return result < 0 ? result : meta_apply_name(agent, to, to_name, stat->st_mode, &meta);
}

int dress_directory(const struct agent *agent, int like, int fd) {
    struct stat stat;
    struct meta meta = {.mode = 0755, .mask = META_MODE | META_OWNER};
    if (like < 0)
        return meta_apply_fd(agent, fd, &meta);
    if (fstat(like, &stat) < 0)
        return -errno;
    meta_of(&stat, agent->single_id ? META_MODE : META_MODE | META_OWNER, &meta);
    int result = meta_apply_fd(agent, fd, &meta);
    return result < 0 ? result : xattrs_copy(agent, like, fd);
}

int copy_directory(const struct agent *agent, int like, int to, const char *name) {
    if (mkdirat(to, name, 0700) < 0)
        return -errno;
    int fd = openat(to, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = dress_directory(agent, like, fd);
    if (result < 0) {
        close(fd);
        return result;
    }
    return fd;
}

static int copy_up_directory(struct agent *agent, const struct target *target, const struct found *found) {
    struct stat below;
    int like = found->directory.places[0].fd;
    auto_close int fd = copy_directory(agent, like, target_top(target), target->name);
    if (fd < 0)
        return fd;
    if (fstat(like, &below) < 0 || futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, below.st_mtim}) < 0)
        return -errno;
    return 0;
}

int copy_up(struct agent *agent, const struct target *target, const struct found *found) {
    struct handle *handle = target->handle;
    const struct place *places = handle->levels[target->depth].directory.places;
    int from = found->kind == FOUND_LEAF ? places[found->place].fd : -1;
    uint32_t layer = from < 0 ? found->directory.places[0].layer : places[found->place].layer;
    int result = ensure_top(agent, handle, target->depth);
    if (result < 0 || layer == 0 || !target->name[0])
        return result;
    handles_changed(agent, handle);
    if (from < 0)
        return copy_up_directory(agent, target, found);
    return copy_leaf(agent, from, target->name, &found->stat, target_top(target), target->name);
}
