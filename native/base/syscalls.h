/* System calls that musl has no wrapper for. */
#ifndef CORACLE_SYSCALLS_H
#define CORACLE_SYSCALLS_H

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif
#ifndef P_PIDFD
#define P_PIDFD 3
#endif

/** fork(2) with namespace flags; `*pidfd` is filled when not NULL. */
static inline pid_t sys_clone(uint64_t flags, int *pidfd) {
    struct clone_args arguments = {.flags = flags | (pidfd ? (uint64_t)CLONE_PIDFD : 0), .pidfd = (uint64_t)(uintptr_t)pidfd, .exit_signal = 17 /* SIGCHLD */};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

/** The same, born in a cgroup (-1: in ours). With CLONE_PARENT the signal at its end is ours. */
static inline pid_t sys_clone_into(uint64_t flags, int cgroup) {
    struct clone_args arguments = {.flags = flags | (cgroup >= 0 ? (uint64_t)CLONE_INTO_CGROUP : 0), .cgroup = cgroup >= 0 ? (uint64_t)cgroup : 0, .exit_signal = flags & CLONE_PARENT ? 0 : 17 /* SIGCHLD */};
    return (pid_t)syscall(SYS_clone3, &arguments, sizeof arguments);
}

/** Tries again where the kernel could not tell whether `..` had left the root, because somebody renamed or mounted meanwhile. */
static inline int sys_openat2(int directory, const char *path, uint64_t flags, uint64_t resolve) {
    struct open_how how = {.flags = flags | O_CLOEXEC, .resolve = resolve};
    int fd, tries = 0;
    do
        fd = (int)syscall(SYS_openat2, directory, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && ++tries < 10000);
    return fd;
}

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE (1 << 0)
#endif

static inline int sys_rename(int from_directory, const char *from, int to_directory, const char *to, unsigned flags) {
    return (int)syscall(SYS_renameat2, from_directory, from, to_directory, to, flags);
}

static inline int sys_open_tree(int directory, const char *path, unsigned flags) {
    return (int)syscall(SYS_open_tree, directory, path, flags | OPEN_TREE_CLOEXEC);
}

static inline int sys_move_mount(int from, int to_directory, const char *to, unsigned flags) {
    return (int)syscall(SYS_move_mount, from, "", to_directory, to, flags | MOVE_MOUNT_F_EMPTY_PATH);
}

/** Sets attributes and changes the propagation (MS_PRIVATE; 0 leaves it). How access times are kept is a number, not flags: the kernel
 *  wants the old one taken away. */
static inline int sys_mount_change(int fd, unsigned flags, uint64_t set, uint64_t propagation) {
    struct mount_attr attributes = {.attr_set = set, .attr_clr = set & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0, .propagation = propagation};
    return (int)syscall(SYS_mount_setattr, fd, "", flags | 0x1000 /* AT_EMPTY_PATH */, &attributes, sizeof attributes);
}

static inline int sys_mount_setattr(int fd, unsigned flags, uint64_t set) {
    return sys_mount_change(fd, flags, set, 0);
}

static inline int sys_fsopen(const char *type) {
    return (int)syscall(SYS_fsopen, type, FSOPEN_CLOEXEC);
}

static inline int sys_fsconfig(int context, unsigned command, const char *key, const char *value) {
    return (int)syscall(SYS_fsconfig, context, command, key, value, 0);
}

static inline int sys_fsmount(int context, unsigned attributes) {
    return (int)syscall(SYS_fsmount, context, FSMOUNT_CLOEXEC, attributes);
}

static inline int sys_pidfd_open(pid_t pid) {
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static inline int sys_pidfd_signal(int pidfd, int number) {
    return (int)syscall(SYS_pidfd_send_signal, pidfd, number, NULL, 0);
}

static inline int sys_close_range(unsigned first, unsigned last, unsigned flags) {
    return (int)syscall(SYS_close_range, first, last, flags);
}

#endif
