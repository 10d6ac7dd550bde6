/* Attributes: mode, owner, times, and the extended attributes that may pass. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

/* With a single mapped id every file is the user's; the owner a layer wants is kept where containers/storage keeps it. */
#define OWNER_XATTR "user.containers.override_stat"

void meta_of(const struct stat *stat, unsigned mask, struct meta *meta) {
    *meta = (struct meta){.mode = stat->st_mode & 07777,
                          .uid = stat->st_uid,
                          .gid = stat->st_gid,
                          .time = stat->st_mtim,
                          .mask = mask};
}

static bool parse_owner(const char *text, struct stat *stat) {
    unsigned uid, gid, mode;
    if (sscanf(text, "%u:%u:%o", &uid, &gid, &mode) != 3)
        return false;
    stat->st_uid = uid;
    stat->st_gid = gid;
    stat->st_mode = (stat->st_mode & S_IFMT) | (mode & 07777);
    return true;
}

void owner_recorded(const struct agent *agent, int fd, struct stat *stat) {
    char text[64];
    ssize_t size = agent->single_id ? fgetxattr(fd, OWNER_XATTR, text, sizeof text - 1) : -1;
    if (size > 0) {
        text[size] = 0;
        parse_owner(text, stat);
    }
}

void owner_recorded_name(const struct agent *agent, int parent, const char *name, struct stat *stat) {
    char text[64];
    bool can_have = S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode);
    ssize_t size = agent->single_id && can_have && fchdir(parent) == 0 ? lgetxattr(name, OWNER_XATTR, text, sizeof text - 1) : -1;
    if (size > 0) {
        text[size] = 0;
        parse_owner(text, stat);
    }
}

static int record_owner(int fd, uint32_t uid, uint32_t gid, unsigned mode) {
    char text[64];
    if (uid == 0 && gid == 0)
        return fremovexattr(fd, OWNER_XATTR) == 0 || errno == ENODATA || errno == EOPNOTSUPP ? 0 : -errno;
    int size = snprintf(text, sizeof text, "%u:%u:0%o", uid, gid, mode & 07777);
    return fsetxattr(fd, OWNER_XATTR, text, (size_t)size, 0) < 0 ? -errno : 0;
}

static int apply_recorded(const struct agent *agent, int fd, const struct stat *now, const struct meta *meta) {
    struct stat wanted = *now;
    wanted.st_uid = wanted.st_gid = 0;
    owner_recorded(agent, fd, &wanted);
    if (meta->mask & META_OWNER) {
        wanted.st_uid = meta->uid;
        wanted.st_gid = meta->gid;
    }
    if (meta->mask & META_MODE)
        wanted.st_mode = meta->mode;
    return record_owner(fd, wanted.st_uid, wanted.st_gid, wanted.st_mode);
}

int meta_apply_fd(const struct agent *agent, int fd, const struct meta *meta) {
    struct stat now;
    if (!(meta->mask & (META_MODE | META_OWNER)))
        goto times;
    if (fstat(fd, &now) < 0)
        return -errno;
    bool chowned = false;
    if (agent->single_id) {
        int result = apply_recorded(agent, fd, &now, meta);
        if (result < 0)
            return result;
    } else if ((meta->mask & META_OWNER) && (now.st_uid != meta->uid || now.st_gid != meta->gid)) {
        if (fchown(fd, meta->uid, meta->gid) < 0)
            return -errno;
        chowned = true;
    }
    /* chown(2) takes setuid and setgid away. */
    mode_t mode = meta->mask & META_MODE ? meta->mode : now.st_mode & 07777;
    if ((mode != (now.st_mode & 07777) || (chowned && (mode & 06000))) && fchmod(fd, mode) < 0)
        return -errno;
times:
    if ((meta->mask & META_TIME) && futimens(fd, (struct timespec[2]){{.tv_nsec = UTIME_OMIT}, meta->time}) < 0)
        return -errno;
    return 0;
}

int meta_apply_name(const struct agent *agent, int parent, const char *name, mode_t type, const struct meta *meta) {
    bool link = S_ISLNK(type);
    if (S_ISREG(type) || S_ISDIR(type)) {
        auto_close int fd = openat(parent, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        return fd < 0 ? -errno : meta_apply_fd(agent, fd, meta);
    }
    if ((meta->mask & META_OWNER) && !agent->single_id && fchownat(parent, name, meta->uid, meta->gid, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if ((meta->mask & META_MODE) && !link && fchmodat(parent, name, meta->mode, 0) < 0)
        return -errno;
    const struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, meta->time};
    if ((meta->mask & (link ? META_LINK_TIME : META_TIME)) && utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    return 0;
}

static bool has_prefix(const char *text, const char *prefix) {
    return !strncmp(text, prefix, strlen(prefix));
}

bool xattr_allowed(const char *name) {
    if (!strcmp(name, "security.capability"))
        return true;
    return has_prefix(name, "user.") && name[5] && !has_prefix(name, "user.overlay.") && !has_prefix(name, "user.fuseoverlayfs.") &&
           !has_prefix(name, "user.containers.") && !has_prefix(name, "user.rootlesscontainers");
}

static bool passes(const struct agent *agent, const char *name) {
    return xattr_allowed(name) || (agent->single_id && !strcmp(name, OWNER_XATTR));
}

static ssize_t list_names(int fd, char *names) {
    ssize_t size = flistxattr(fd, names, AGENT_XATTR);
    return size < 0 && errno == EOPNOTSUPP ? 0 : size < 0 ? -errno : size;
}

int xattrs_copy(const struct agent *agent, int from, int to) {
    char names[AGENT_XATTR];
    ssize_t size = list_names(from, names);
    for (char *name = names; name < names + size; name += strlen(name) + 1) {
        if (!passes(agent, name))
            continue;
        ssize_t length = fgetxattr(from, name, agent->scratch, AGENT_XATTR);
        if (length < 0 || fsetxattr(to, name, agent->scratch, (size_t)length, 0) < 0)
            return -errno;
    }
    return size < 0 ? (int)size : 0;
}

/* True when every xattr of `a` is one of `b` with the same value; counts them. */
static bool is_subset(const struct agent *agent, int a, int b, const char *names, ssize_t size, size_t *count) {
    char value[AGENT_XATTR];
    for (const char *name = names; name < names + size; name += strlen(name) + 1) {
        if (!passes(agent, name))
            continue;
        ssize_t length = fgetxattr(a, name, agent->scratch, AGENT_XATTR);
        if (length < 0 || fgetxattr(b, name, value, sizeof value) != length || memcmp(value, agent->scratch, (size_t)length) != 0)
            return false;
        ++*count;
    }
    return true;
}

int xattrs_equal(const struct agent *agent, int a, int b) {
    char names[AGENT_XATTR], others[AGENT_XATTR];
    ssize_t size = list_names(a, names), other_size = list_names(b, others);
    size_t count = 0, other_count = 0;
    if (size < 0 || other_size < 0)
        return size < 0 ? (int)size : (int)other_size;
    for (const char *name = others; name < others + other_size; name += strlen(name) + 1)
        other_count += passes(agent, name);
    return is_subset(agent, a, b, names, size, &count) && count == other_count;
}
