/* The copy of single files between handles. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent.h"

struct expected {
    uint64_t size;
    struct timespec modified, changed;
};

static void take_expected(struct request *request, struct expected *expected) {
    expected->size = take_u64(request);
    expected->modified.tv_sec = (time_t)take_u64(request);
    expected->modified.tv_nsec = (long)take_u32(request);
    expected->changed.tv_sec = (time_t)take_u64(request);
    expected->changed.tv_nsec = (long)take_u32(request);
}

static bool same_time(const struct timespec *a, const struct timespec *b) {
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* The file is still the one the client looked at. All zeros: it did not look. */
static int check_expected(int fd, const struct expected *expected, struct stat *stat) {
    static const struct expected none;
    if (fstat(fd, stat) < 0)
        return -errno;
    if (!S_ISREG(stat->st_mode))
        return S_ISDIR(stat->st_mode) ? -EISDIR : -EINVAL;
    if (expected->size == 0 && same_time(&expected->modified, &none.modified) && same_time(&expected->changed, &none.changed))
        return 0;
    bool same = (uint64_t)stat->st_size == expected->size && same_time(&stat->st_mtim, &expected->modified) &&
                same_time(&stat->st_ctim, &expected->changed);
    return same ? 0 : -ESTALE;
}

static int open_source(struct agent *agent, struct handle *handle, unsigned flags) {
    struct target target;
    struct found found;
    int result = path_resolve(agent, handle, agent->request.path, flags, false, &target);
    if (result == 0)
        result = target_find(&target, &found);
    if (result < 0)
        return result;
    directory_release(&found.directory);
    if (found.kind == FOUND_DIRECTORY)
        return -EISDIR;
    int parent = handle->levels[target.depth].directory.places[found.place].fd;
    int fd = openat(parent, target.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* What `meta` leaves open is as in the source. */
static int write_copy(struct agent *agent, int source, struct stat *stat, const struct target *target, const struct meta *meta) {
    struct meta whole;
    owner_recorded(agent, source, stat);
    meta_of(stat, META_MODE | META_OWNER, &whole);
    if (meta->mask & META_MODE)
        whole.mode = meta->mode;
    if (meta->mask & META_OWNER) {
        whole.uid = meta->uid;
        whole.gid = meta->gid;
    }
    int fd = create_file(agent, target, &whole);
    if (fd < 0)
        return fd;
    int result = copy_content(source, fd, (uint64_t)stat->st_size);
    /* xattrs after the owner: chown(2) drops security.capability. The owner recorded with one id only is the copy's own. */
    const struct agent plain = {.scratch = agent->scratch};
    if (result == 0)
        result = meta_apply_fd(agent, fd, &whole);
    if (result == 0)
        result = xattrs_copy(&plain, source, fd);
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, meta->mask & META_TIME ? meta->time : stat->st_mtim};
    if (result == 0 && futimens(fd, times) < 0)
        result = -errno;
    close(fd);
    return result;
}

int op_copy(struct agent *agent, struct request *request) {
    struct handle *from = handle_at(agent, take_u32(request));
    int result = take_path(request, request->path);
    struct handle *to = handle_at(agent, take_u32(request));
    int other = take_path(request, request->other);
    struct target target;
    struct meta meta;
    struct expected expected;
    struct stat stat;
    take_meta(request, &meta);
    take_expected(request, &expected);
    if (result == 0)
        result = other < 0 ? other : complete(request);
    if (result < 0)
        return result;
    if (!from || !to || !to->writable)
        return from && to ? -EROFS : -EBADF;
    auto_close int source = open_source(agent, from, request->flags & FLAG_FOLLOW);
    result = source < 0 ? source : check_expected(source, &expected, &stat);
    if (result < 0)
        return result;
    /* From here on failures are about the copy. */
    strcpy(request->path, request->other);
    result = path_resolve(agent, to, request->other, request->flags & FLAG_PARENTS, true, &target);
    if (result == 0)
        result = ensure_top(agent, to, target.depth);
    if (result == 0)
        result = write_copy(agent, source, &stat, &target, &meta);
    return result < 0 ? result : check_expected(source, &expected, &stat);
}
