/* What is told of a file: its attributes, its target, the xattrs that may be told. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "agent.h"

static uint8_t type_of(const struct stat *stat) {
    switch (stat->st_mode & S_IFMT) {
    case S_IFREG:
        return TYPE_FILE;
    case S_IFDIR:
        return TYPE_DIRECTORY;
    case S_IFLNK:
        return TYPE_SYMLINK;
    case S_IFIFO:
        return TYPE_FIFO;
    case S_IFCHR:
        return is_whiteout(stat) ? TYPE_WHITEOUT : TYPE_CHAR;
    case S_IFBLK:
        return TYPE_BLOCK;
    default:
        return TYPE_SOCKET;
    }
}

/* Puts the allowed xattrs of `name` in the working directory. */
static int put_xattrs(struct agent *agent, const char *name) {
    char names[AGENT_XATTR];
    struct output *out = &agent->out;
    size_t count_at = out->used;
    unsigned count = 0;
    put_u16(out, 0);
    ssize_t size = llistxattr(name, names, sizeof names);
    if (size < 0)
        return errno == EOPNOTSUPP ? 0 : -errno;
    for (const char *at = names; at < names + size; at += strlen(at) + 1) {
        if (!xattr_allowed(at))
            continue;
        ssize_t length = lgetxattr(name, at, agent->scratch, AGENT_XATTR);
        if (length < 0 && errno == ENODATA)
            continue;
        if (length < 0)
            return -errno;
        if (out->used - out->frame + (size_t)length + AGENT_NAME > AGENT_FRAME_MAX - 64)
            return -E2BIG;
        put_text(out, at);
        put_bytes(out, agent->scratch, (size_t)length);
        count++;
    }
    out->buffer[count_at] = (char)count;
    out->buffer[count_at + 1] = (char)(count >> 8);
    return 0;
}

static int put_link(struct agent *agent, int parent, const char *name, const struct stat *stat) {
    ssize_t size = 0;
    if (S_ISLNK(stat->st_mode))
        size = readlinkat(parent, name, agent->scratch, AGENT_PATH);
    if (size < 0)
        return -errno;
    put_bytes(&agent->out, agent->scratch, (size_t)size);
    return 0;
}

static void put_stat(struct output *out, const struct stat *stat, bool opaque) {
    put_u8(out, type_of(stat));
    put_u8(out, opaque);
    put_u32(out, stat->st_mode & 07777);
    put_u32(out, stat->st_uid);
    put_u32(out, stat->st_gid);
    put_u64(out, (uint64_t)stat->st_size);
    put_time(out, &stat->st_mtim);
    put_time(out, &stat->st_ctim);
    put_u64(out, (uint64_t)stat->st_dev);
    put_u64(out, (uint64_t)stat->st_ino);
    put_u32(out, (uint32_t)stat->st_nlink);
    put_u32(out, (uint32_t)major(stat->st_rdev));
    put_u32(out, (uint32_t)minor(stat->st_rdev));
}

int put_entry(struct agent *agent, const char *path, int parent, const char *name, const struct stat *stat, bool opaque) {
    struct stat shown = *stat;
    owner_recorded_name(agent, parent, name, &shown);
    reply_begin(agent, REPLY_ENTRY);
    put_text(&agent->out, path);
    put_stat(&agent->out, &shown, opaque);
    int result = put_link(agent, parent, name, stat);
    if (result < 0)
        return result;
    if (S_ISREG(stat->st_mode) || S_ISDIR(stat->st_mode)) {
        if (fchdir(parent) < 0)
            return -errno;
        result = put_xattrs(agent, name);
    } else {
        put_u16(&agent->out, 0);
    }
    if (result == 0)
        reply_end(agent);
    return result;
}
