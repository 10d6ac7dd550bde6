/*
 * coracle.node: the few system calls that Node lacks, as N-API functions (PROTOCOL.md section 5).
 *
 * Nothing here decides anything. Every failed call throws an Error with `code` (errno name),
 * `errno` (positive) and `syscall`; wrong arguments throw a TypeError.
 */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <malloc.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

static napi_value call_flock(napi_env env, napi_callback_info info)
{
    napi_value args[3];
    int64_t fd;
    char kind[4];
    bool nonblocking;
    if (!addon_arguments(env, info, args, 3) || !addon_int(env, args[0], &fd) ||
        !addon_word(env, args[1], kind, sizeof kind) || !addon_flag(env, args[2], &nonblocking))
        return NULL;
    int operation = !strcmp(kind, "ex") ? LOCK_EX : !strcmp(kind, "sh") ? LOCK_SH : LOCK_UN;
    while (flock((int)fd, operation | (nonblocking ? LOCK_NB : 0)) < 0) {
        if (errno == EWOULDBLOCK)
            return addon_boolean(env, false);
        if (errno != EINTR)
            return addon_throw(env, "flock");
    }
    return addon_boolean(env, true);
}

static napi_value call_ofd_lock_held(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    CLEANUP_FREE char *path = NULL;
    if (!addon_arguments(env, info, args, 1) || !(path = addon_string(env, args[0])))
        return NULL;
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT ? addon_boolean(env, false) : addon_throw(env, "open");
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_GETLK, &lock) < 0)
        return addon_throw(env, "fcntl");
    return addon_boolean(env, lock.l_type != F_UNLCK);
}

static napi_value call_ofd_lock(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    int32_t fd;
    if (!addon_arguments(env, info, args, 1) || napi_get_value_int32(env, args[0], &fd) != napi_ok)
        return NULL;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
        return addon_boolean(env, true);
    return errno == EAGAIN || errno == EACCES ? addon_boolean(env, false) : addon_throw(env, "fcntl");
}

static napi_value call_pipe(napi_env env, napi_callback_info info)
{
    (void)info;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return addon_throw(env, "pipe2");
    return addon_pair(env, ends[0], ends[1]);
}

/* Both ends of a stream socket. */
static napi_value call_socket_pair(napi_env env, napi_callback_info info)
{
    (void)info;
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
        return addon_throw(env, "socketpair");
    return addon_pair(env, ends[0], ends[1]);
}

/* Grows a pipe as far as the system allows; what it has now is answered, so that no caller must guess. */
static napi_value call_pipe_size(napi_env env, napi_callback_info info)
{
    napi_value args[2];
    int64_t fd, size;
    if (!addon_arguments(env, info, args, 2) || !addon_int(env, args[0], &fd) || !addon_int(env, args[1], &size))
        return NULL;
    int now = fcntl((int)fd, F_SETPIPE_SZ, (int)size);
    if (now < 0 && errno == EPERM)
        now = fcntl((int)fd, F_GETPIPE_SZ);
    return now < 0 ? addon_throw(env, "fcntl") : addon_number(env, now);
}

/* What is freed of large buffers goes back to the system at once; left to itself, the C library keeps more the more passes through. */
static napi_value call_return_memory(napi_env env, napi_callback_info info)
{
    (void)info;
    return addon_boolean(env, mallopt(M_MMAP_THRESHOLD, 128 << 10) && mallopt(M_ARENA_MAX, 2));
}

/* FS_TOPDIR_FL of <linux/fs.h> since 4.5; ext2, ext3 and ext4 heed it, other file systems refuse what they do not know. */
static napi_value call_spread_children(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    int64_t fd;
    int flags;
    if (!addon_arguments(env, info, args, 1) || !addon_int(env, args[0], &fd))
        return NULL;
    if (ioctl((int)fd, FS_IOC_GETFLAGS, &flags) == 0) {
        if (flags & FS_TOPDIR_FL)
            return addon_boolean(env, true);
        flags |= FS_TOPDIR_FL;
        if (ioctl((int)fd, FS_IOC_SETFLAGS, &flags) == 0)
            return addon_boolean(env, true);
    }
    bool unknown = errno == ENOTTY || errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL || errno == EPERM;
    return unknown ? addon_boolean(env, false) : addon_throw(env, "ioctl");
}

static napi_value call_rename_no_replace(napi_env env, napi_callback_info info)
{
    napi_value args[2];
    CLEANUP_FREE char *from = NULL;
    CLEANUP_FREE char *to = NULL;
    if (!addon_arguments(env, info, args, 2) || !(from = addon_string(env, args[0])) ||
        !(to = addon_string(env, args[1])))
        return NULL;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
        return addon_boolean(env, true);
    return errno == EEXIST ? addon_boolean(env, false) : addon_throw(env, "renameat2");
}

/* sun_path holds 107 bytes: a longer path is reached through a descriptor of its directory. */
static int unix_address(struct sockaddr_un *address, const char *path, int *directory)
{
    *address = (struct sockaddr_un){.sun_family = AF_UNIX};
    const char *slash = strrchr(path, '/');
    if (strlen(path) < sizeof address->sun_path) {
        memcpy(address->sun_path, path, strlen(path) + 1);
        return 0;
    }
    CLEANUP_FREE char *parent = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    if (!parent || (*directory = open(parent, O_PATH | O_DIRECTORY | O_CLOEXEC)) < 0)
        return -1;
    int size = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *directory, slash + 1);
    errno = ENAMETOOLONG;
    return size < (int)sizeof address->sun_path ? 0 : -1;
}

static napi_value call_connect_unix(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FD int directory = -1;
    struct sockaddr_un address;
    if (!addon_arguments(env, info, args, 1) || !(path = addon_string(env, args[0])))
        return NULL;
    if (unix_address(&address, path, &directory) < 0)
        return addon_throw(env, "connect");
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return addon_throw(env, "socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        napi_value thrown = addon_throw(env, "connect");
        close(fd);
        return thrown;
    }
    return addon_number(env, fd);
}

/* Field 22 of /proc/PID/stat; the command name before it may hold spaces and parentheses. */
static int64_t start_ticks(int64_t pid)
{
    char path[40], text[1024];
    snprintf(path, sizeof path, "/proc/%lld/stat", (long long)pid);
    CLEANUP_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (size <= 0)
        return -1;
    text[size] = 0;
    char *field = strrchr(text, ')');
    for (int i = 2; field && i < 22; i++)
        field = strchr(field + 1, ' ');
    return field ? strtoll(field + 1, NULL, 10) : -1;
}

/* A pidfd of that very process, -1 when it is gone or its number was used again. The order (open, then compare) excludes reuse. */
static int open_checked(int64_t pid, int64_t ticks)
{
    int fd = (int)syscall(SYS_pidfd_open, (pid_t)pid, 0);
    if (fd < 0)
        return -1;
    struct pollfd dead = {.fd = fd, .events = POLLIN};
    if (start_ticks(pid) == ticks && poll(&dead, 1, 0) == 0)
        return fd;
    close(fd);
    errno = ESRCH;
    return -1;
}

static napi_value call_pidfd_alive(napi_env env, napi_callback_info info)
{
    napi_value args[2];
    int64_t pid, ticks;
    if (!addon_arguments(env, info, args, 2) || !addon_int(env, args[0], &pid) || !addon_int(env, args[1], &ticks))
        return NULL;
    CLEANUP_FD int fd = open_checked(pid, ticks);
    return fd < 0 && errno != ESRCH ? addon_throw(env, "pidfd_open") : addon_boolean(env, fd >= 0);
}

static napi_value call_kill_checked(napi_env env, napi_callback_info info)
{
    napi_value args[3];
    int64_t pid, ticks, signal;
    if (!addon_arguments(env, info, args, 3) || !addon_int(env, args[0], &pid) || !addon_int(env, args[1], &ticks) ||
        !addon_int(env, args[2], &signal))
        return NULL;
    CLEANUP_FD int fd = open_checked(pid, ticks);
    if (fd < 0)
        return errno == ESRCH ? addon_boolean(env, false) : addon_throw(env, "pidfd_open");
    if (syscall(SYS_pidfd_send_signal, fd, (int)signal, NULL, 0) == 0)
        return addon_boolean(env, true);
    return errno == ESRCH ? addon_boolean(env, false) : addon_throw(env, "pidfd_send_signal");
}

static napi_value call_getxattr(napi_env env, napi_callback_info info)
{
    napi_value args[2], result;
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *name = NULL;
    CLEANUP_FREE char *value = malloc(65536);
    if (!addon_arguments(env, info, args, 2) || !(path = addon_string(env, args[0])) ||
        !(name = addon_string(env, args[1])))
        return NULL;
    ssize_t size = value ? lgetxattr(path, name, value, 65536) : -1;
    if (size < 0)
        return addon_throw(env, "lgetxattr");
    return napi_create_buffer_copy(env, (size_t)size, value, NULL, &result) == napi_ok ? result : NULL;
}

static napi_value call_setxattr(napi_env env, napi_callback_info info)
{
    napi_value args[3];
    CLEANUP_FREE char *path = NULL;
    CLEANUP_FREE char *name = NULL;
    void *bytes;
    size_t count;
    if (!addon_arguments(env, info, args, 3) || !(path = addon_string(env, args[0])) ||
        !(name = addon_string(env, args[1])) || !addon_bytes(env, args[2], &bytes, &count))
        return NULL;
    return lsetxattr(path, name, bytes, count, 0) < 0 ? addon_throw(env, "lsetxattr") : NULL;
}

static napi_value call_tty_size(napi_env env, napi_callback_info info)
{
    napi_value args[1], null;
    int64_t fd;
    struct winsize size;
    if (!addon_arguments(env, info, args, 1) || !addon_int(env, args[0], &fd))
        return NULL;
    if (ioctl((int)fd, TIOCGWINSZ, &size) == 0)
        return addon_pair(env, size.ws_row, size.ws_col);
    return napi_get_null(env, &null) == napi_ok ? null : NULL;
}

static napi_value call_isatty(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    int64_t fd;
    if (!addon_arguments(env, info, args, 1) || !addon_int(env, args[0], &fd))
        return NULL;
    return addon_boolean(env, isatty((int)fd) == 1);
}

static const struct {
    const char *name;
    napi_callback call;
} calls[] = {
    {"execve", addon_execve},
    {"spawn", addon_spawn},
    {"waitpid", addon_waitpid},
    {"flock", call_flock},
    {"ofdLockHeld", call_ofd_lock_held},
    {"ofdLock", call_ofd_lock},
    {"pipe", call_pipe},
    {"pipeSize", call_pipe_size},
    {"returnMemory", call_return_memory},
    {"socketPair", call_socket_pair},
    {"memfd", addon_memfd},
    {"sharedMemory", addon_shared_memory},
    {"syncfs", addon_syncfs},
    {"syncfsLater", addon_syncfs_later},
    {"spreadChildren", call_spread_children},
    {"renameNoReplace", call_rename_no_replace},
    {"connectUnix", call_connect_unix},
    {"pidfdAlive", call_pidfd_alive},
    {"killChecked", call_kill_checked},
    {"getxattr", call_getxattr},
    {"setxattr", call_setxattr},
    {"ttySize", call_tty_size},
    {"isatty", call_isatty},
};

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    for (size_t i = 0; i < sizeof calls / sizeof *calls; i++) {
        napi_value function;
        if (napi_create_function(env, calls[i].name, NAPI_AUTO_LENGTH, calls[i].call, NULL, &function) != napi_ok ||
            napi_set_named_property(env, exports, calls[i].name, function) != napi_ok)
            return NULL;
    }
    return exports;
}
