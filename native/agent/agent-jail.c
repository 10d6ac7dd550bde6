/* Where the agent may be: detached clones of its roots in an otherwise empty mount namespace, and a list of system calls. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/fs.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent.h"
#include "base/syscalls.h"

#if defined(__x86_64__)
#define NATIVE_ARCH AUDIT_ARCH_X86_64
#elif defined(__aarch64__)
#define NATIVE_ARCH AUDIT_ARCH_AARCH64
#elif defined(__riscv)
#define NATIVE_ARCH AUDIT_ARCH_RISCV64
#elif defined(__powerpc64__)
#define NATIVE_ARCH AUDIT_ARCH_PPC64LE
#elif defined(__s390x__)
#define NATIVE_ARCH AUDIT_ARCH_S390X
#else
#error "name the audit architecture here"
#endif

int agent_clone_root(const struct plan_root *root, unsigned recursive, struct failure *failure) {
    uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | (root->writable ? 0 : MOUNT_ATTR_RDONLY);
    int tree = sys_open_tree(AT_FDCWD, root->path, OPEN_TREE_CLONE | recursive);
    if (tree < 0)
        return fail(failure, "root", errno, "%s", root->path);
    if (sys_mount_setattr(tree, recursive, attributes) < 0) {
        int number = errno;
        close(tree);
        return fail(failure, "root", number, "%s", root->path);
    }
    /* A descriptor of the tree's root that can be read, not only named. */
    int fd = openat(tree, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int number = errno;
    close(tree);
    return fd < 0 ? fail(failure, "root", number, "%s", root->path) : fd;
}

/* After this no path leads anywhere: absolute links and `..` end in an empty read-only tmpfs. */
int agent_leave_mounts(struct failure *failure) {
    static const char *const places[] = {"/tmp", "/proc", "/run", "/etc"};
    auto_close int context = sys_fsopen("tmpfs");
    if (context < 0 || sys_fsconfig(context, FSCONFIG_SET_STRING, "size", "4k") < 0 ||
        sys_fsconfig(context, FSCONFIG_SET_STRING, "nr_inodes", "2") < 0 || sys_fsconfig(context, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
        return fail(failure, "root", errno, "tmpfs");
    auto_close int empty = sys_fsmount(context, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC);
    auto_close int old = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (empty < 0 || old < 0)
        return fail(failure, "root", errno, "tmpfs");
    size_t i = 0;
    while (i < N_ELEMENTS(places) && sys_move_mount(empty, AT_FDCWD, places[i], 0) < 0)
        i++;
    if (i == N_ELEMENTS(places) || fchdir(empty) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
        return fail(failure, "root", errno, "pivot_root");
    if (fchdir(old) < 0 || umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
        return fail(failure, "root", errno, "umount");
    return 0;
}

int agent_enter_jail(const struct plan *plan, int *roots, struct failure *failure) {
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "root", errno, "/");
    for (size_t i = 0; i < plan->roots.count; i++)
        if ((roots[i] = agent_clone_root(&plan->roots.items[i], AT_RECURSIVE, failure)) < 0)
            return -1;
    return agent_leave_mounts(failure);
}

/* Only what changing files of mapped owners takes. */
static int drop_capabilities(struct failure *failure) {
    static const unsigned kept[] = {CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER, CAP_FSETID, CAP_SETFCAP};
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    for (size_t i = 0; i < N_ELEMENTS(kept); i++)
        data[0].permitted |= 1U << kept[i];
    /* CAP_SETFCAP is number 31: all fit into the first word. */
    data[0].effective = data[0].permitted;
    return syscall(SYS_capset, &header, data) < 0 ? fail(failure, "capabilities", errno, "capset") : 0;
}

static const int allowed_calls[] = {
    SYS_openat, SYS_write, SYS_close, SYS_fstat, SYS_newfstatat, SYS_utimensat, SYS_mkdirat, SYS_symlinkat, SYS_fchown, SYS_fchmod,
    SYS_fchownat, SYS_fchmodat, SYS_unlinkat, SYS_read, SYS_getdents64, SYS_readlinkat, SYS_fchdir, SYS_llistxattr, SYS_lgetxattr,
    SYS_lsetxattr, SYS_flistxattr, SYS_fgetxattr, SYS_fsetxattr, SYS_fremovexattr, SYS_linkat, SYS_renameat2, SYS_mknodat, SYS_openat2,
    SYS_copy_file_range, SYS_lseek, SYS_ftruncate, SYS_fcntl, SYS_readv, SYS_writev, SYS_ppoll, SYS_brk, SYS_munmap, SYS_mremap, SYS_madvise,
    SYS_syncfs, SYS_fsync, SYS_nanosleep, SYS_clock_nanosleep, SYS_clock_gettime, SYS_rt_sigreturn, SYS_rt_sigprocmask, SYS_restart_syscall,
    SYS_exit, SYS_exit_group, SYS_gettid, SYS_tkill, SYS_getpid,
#ifdef SYS_poll
    SYS_poll,
#endif
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_statx
    SYS_statx,
#endif
};

enum { RULES = 3 + 2 * N_ELEMENTS(allowed_calls) + 6 + 4 + 1 };

/* Everything but file operations is refused with EPERM: no network, no exec, no mounts, no other processes. */
static size_t make_filter(struct sock_filter filter[RULES]) {
    size_t count = 0;
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NATIVE_ARCH, 1, 0);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_ELEMENTS(allowed_calls); i++) {
        filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)allowed_calls[i], 0, 1);
        filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    }
    /* mmap without PROT_EXEC, ioctl for FICLONE only; anything else ends at the last rule. */
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2]));
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 4 /* PROT_EXEC */, 4, 0);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ioctl, 0, 2);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1]));
    filter[count++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)FICLONE, 1, 0);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM);
    filter[count++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    return count;
}

int agent_confine(struct failure *failure) {
    struct sock_filter filter[RULES];
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(failure, "privileges", errno, "prctl");
    if (drop_capabilities(failure) < 0)
        return -1;
    struct sock_fprog program = {.len = (unsigned short)make_filter(filter), .filter = filter};
    if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
        return fail(failure, "seccomp", errno, "load filter");
    return 0;
}
