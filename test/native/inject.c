/*
 * Runs a command and lets one of its system calls on a directory fail, or be its last. Every process of the command is reached:
 * the calls are stopped by seccomp and decided on here, so that programs without a dynamic linker have no way around it.
 *
 *   inject FAULT AT DIRECTORY TRACE COMMAND...
 *
 * FAULT: `kill` (the caller dies before the call), `crash` (all processes of the command do), `orphan` (the command's first process
 * does while another one calls), or the name of an error; with `+` behind it, all later calls fail alike. Calls that can meet the
 * fault are numbered from 1; AT 0 only counts. TRACE gets a line for each such call. What asks for the disk is answered at once and
 * not waited for.
 *
 * An error meets the calls that end with it: EMFILE is never the end of a write, fsync, rename or link, which make no descriptor. It
 * meets each open on the directory, and from the first of them on each call that makes a descriptor of any kind: pipes, sockets,
 * epoll and its like, duplicates, memory, mounts, processes.
 * Filtering without no_new_privs takes CAP_SYS_ADMIN: run it as root of a user namespace.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>
#include <dirent.h>

#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

enum class { WRITE = 1, SYNC = 2, NAME = 4, CREATE = 8, REMOVE = 16, OPEN = 32, META = 64, DESCRIPTOR = 128 };

/*
 * Where a call names the file it changes: a descriptor in argument 0, or a directory and a path. -1: none. The argument `path` of calls
 * that make descriptors is left out.
 */
struct call {
    int number;
    const char *name;
    enum class class;
    int directory, path;
};

static const struct call calls[] = {
    {__NR_write, "write", WRITE, 0, -1},
    {__NR_pwrite64, "pwrite", WRITE, 0, -1},
    {__NR_writev, "writev", WRITE, 0, -1},
    {__NR_pwritev, "pwritev", WRITE, 0, -1},
    {__NR_pwritev2, "pwritev2", WRITE, 0, -1},
    {__NR_ftruncate, "ftruncate", WRITE, 0, -1},
    {__NR_fallocate, "fallocate", WRITE, 0, -1},
    {__NR_sendfile, "sendfile", WRITE, 0, -1},
    {__NR_copy_file_range, "copy_file_range", WRITE, 2, -1},
    {__NR_fsetxattr, "fsetxattr", WRITE, 0, -1},
    {__NR_fsync, "fsync", SYNC, 0, -1},
    {__NR_fdatasync, "fdatasync", SYNC, 0, -1},
    {__NR_syncfs, "syncfs", SYNC, 0, -1},
    {__NR_renameat, "renameat", NAME, 2, 3},
    {__NR_renameat2, "renameat2", NAME, 2, 3},
    {__NR_linkat, "linkat", NAME, 2, 3},
    {__NR_symlinkat, "symlinkat", NAME, 1, 2},
    {__NR_mkdirat, "mkdirat", CREATE, 0, 1},
    {__NR_mknodat, "mknodat", CREATE, 0, 1},
    {__NR_openat, "openat", OPEN, 0, 1},
    {__NR_openat2, "openat2", OPEN, 0, 1},
    {__NR_unlinkat, "unlinkat", REMOVE, 0, 1},
    {__NR_fchmod, "fchmod", META, 0, -1},
    {__NR_fchown, "fchown", META, 0, -1},
    {__NR_fchmodat, "fchmodat", META, 0, 1},
    {__NR_fchownat, "fchownat", META, 0, 1},
    {__NR_utimensat, "utimensat", META, 0, 1},
    {__NR_pipe2, "pipe2", DESCRIPTOR, -1, -1},
    {__NR_socket, "socket", DESCRIPTOR, -1, -1},
    {__NR_socketpair, "socketpair", DESCRIPTOR, -1, -1},
    {__NR_accept4, "accept4", DESCRIPTOR, -1, -1},
    {__NR_dup, "dup", DESCRIPTOR, -1, -1},
    {__NR_fcntl, "fcntl", DESCRIPTOR, -1, -1},
    {__NR_eventfd2, "eventfd2", DESCRIPTOR, -1, -1},
    {__NR_epoll_create1, "epoll_create1", DESCRIPTOR, -1, -1},
    {__NR_timerfd_create, "timerfd_create", DESCRIPTOR, -1, -1},
    {__NR_signalfd4, "signalfd4", DESCRIPTOR, -1, -1},
    {__NR_inotify_init1, "inotify_init1", DESCRIPTOR, -1, -1},
    {__NR_memfd_create, "memfd_create", DESCRIPTOR, -1, -1},
    {__NR_pidfd_open, "pidfd_open", DESCRIPTOR, -1, -1},
    {__NR_clone3, "clone3", DESCRIPTOR, -1, -1},
    {__NR_open_tree, "open_tree", DESCRIPTOR, -1, -1},
    {__NR_fsopen, "fsopen", DESCRIPTOR, -1, -1},
    {__NR_fsmount, "fsmount", DESCRIPTOR, -1, -1},
#ifdef __NR_open
    {__NR_rename, "rename", NAME, -1, 1},
    {__NR_link, "link", NAME, -1, 1},
    {__NR_symlink, "symlink", NAME, -1, 1},
    {__NR_mkdir, "mkdir", CREATE, -1, 0},
    {__NR_open, "open", OPEN, -1, 0},
    {__NR_creat, "creat", CREATE, -1, 0},
    {__NR_unlink, "unlink", REMOVE, -1, 0},
    {__NR_rmdir, "rmdir", REMOVE, -1, 0},
#endif
};

#define N_CALLS (sizeof(calls) / sizeof(*calls))

/* An error and the calls that can end with it. */
static const struct fault {
    const char *name;
    int error;
    int classes;
} faults[] = {
    {"kill", 0, WRITE | SYNC | NAME | CREATE | REMOVE},
    {"crash", 0, WRITE | SYNC | NAME | CREATE | REMOVE},
    {"orphan", 0, WRITE | SYNC | NAME | CREATE | REMOVE},
    {"ENOSPC", ENOSPC, WRITE | SYNC | NAME | CREATE},
    {"EIO", EIO, WRITE | SYNC | NAME | CREATE | REMOVE | META},
    {"EMFILE", EMFILE, OPEN | CREATE | DESCRIPTOR},
};

struct injection {
    const struct fault *fault;
    int lasting;
    /* Whether the command has come to the directory: what its interpreter does before is no matter here. */
    int begun;
    pid_t command;
    long at, seen;
    const char *directory;
    struct stat place;
    struct stat root;
    FILE *trace;
};

__attribute__((format(printf, 1, 2), noreturn)) static void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("inject: ", stderr);
    vfprintf(stderr, format, args);
    fputc('\n', stderr);
    exit(99);
}

/* Sends the listener of a filter that stops all calls of the table. */
static int install_filter(void)
{
    struct sock_filter code[N_CALLS + 3];
    size_t n = 0;
    code[n++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (size_t i = 0; i < N_CALLS; i++)
        code[n++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)calls[i].number, (unsigned char)(N_CALLS - i), 0);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    struct sock_fprog program = {.len = (unsigned short)n, .filter = code};
    unsigned long flags = SECCOMP_FILTER_FLAG_NEW_LISTENER;
    long listener = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, &program);
    if (listener < 0 && errno == EINVAL)
        listener = syscall(__NR_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
    if (listener < 0)
        die("filter system calls: %s", strerror(errno));
    return (int)listener;
}

static void send_descriptor(int socket, int descriptor)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 0;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
    if (sendmsg(socket, &message, 0) != 1)
        _exit(98);
}

static int receive_descriptor(int socket)
{
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte;
    struct iovec data = {&byte, 1};
    struct msghdr message = {.msg_iov = &data, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control)};
    int descriptor;
    if (recvmsg(socket, &message, MSG_CMSG_CLOEXEC) != 1 || CMSG_FIRSTHDR(&message) == NULL)
        die("get the filter: the command did not send it");
    memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof(int));
    return descriptor;
}

static int read_memory(pid_t pid, uint64_t address, void *to, size_t size)
{
    struct iovec local = {to, size}, remote = {(void *)(uintptr_t)address, size};
    return (int)process_vm_readv(pid, &local, 1, &remote, 1, 0);
}

/* A path ends somewhere before the next page that is not there. */
static int read_path(pid_t pid, uint64_t address, char path[PATH_MAX])
{
    size_t done = 0;
    while (done < PATH_MAX - 1) {
        size_t part = 256 - (address + done) % 256;
        if (part > PATH_MAX - 1 - done)
            part = PATH_MAX - 1 - done;
        if (read_memory(pid, address + done, path + done, part) != (int)part)
            return -1;
        if (memchr(path + done, 0, part) != NULL)
            return 0;
        done += part;
    }
    path[done] = 0;
    return 0;
}

static int is_below(const char *path, const char *directory)
{
    size_t length = strlen(directory);
    return strncmp(path, directory, length) == 0 && (path[length] == '/' || path[length] == 0);
}

/* A process with another root has only the store's file system: what is there, is of the store. */
static int has_other_root(const struct injection *in, pid_t pid)
{
    char link[64];
    struct stat root;
    snprintf(link, sizeof(link), "/proc/%d/root/.", pid);
    return stat(link, &root) == 0 && (root.st_dev != in->root.st_dev || root.st_ino != in->root.st_ino);
}

/* Whether a file is one of a container's root, which ends in the store. */
static int is_merged(const char *path)
{
    struct statfs found;
    return statfs(path, &found) == 0 && (found.f_type == OVERLAYFS_SUPER_MAGIC || found.f_type == FUSE_SUPER_MAGIC);
}

/* Whether a descriptor is a file or directory of the store; `text` gets its path. */
static int descriptor_counts(const struct injection *in, pid_t pid, int descriptor, char text[PATH_MAX])
{
    char link[64];
    struct stat file;
    if (descriptor == AT_FDCWD)
        snprintf(link, sizeof(link), "/proc/%d/cwd", pid);
    else
        snprintf(link, sizeof(link), "/proc/%d/fd/%d", pid, descriptor);
    ssize_t length = readlink(link, text, PATH_MAX - 1);
    if (length < 0)
        return 0;
    text[length] = 0;
    if (is_below(text, in->directory))
        return 1;
    if (stat(link, &file) < 0 || !(S_ISREG(file.st_mode) || S_ISDIR(file.st_mode)))
        return 0;
    return (file.st_dev == in->place.st_dev || is_merged(link)) && has_other_root(in, pid);
}

static int path_counts(const struct injection *in, pid_t pid, const struct call *call, const uint64_t *args, char text[PATH_MAX])
{
    char path[PATH_MAX];
    if (read_path(pid, args[call->path], path) < 0)
        return 0;
    int counts;
    if (path[0] == '/') {
        counts = is_below(path, in->directory) || (has_other_root(in, pid) && !is_below(path, "/proc"));
        text[0] = 0;
    } else {
        counts = descriptor_counts(in, pid, call->directory < 0 ? AT_FDCWD : (int)args[call->directory], text);
        strncat(text, "/", PATH_MAX - strlen(text) - 1);
    }
    strncat(text, path, PATH_MAX - strlen(text) - 1);
    return counts;
}

/* Of those that make descriptors only sometimes. */
static int makes_descriptor(pid_t pid, const struct call *call, const uint64_t *args)
{
    struct clone_args clone = {0};
    if (call->number == __NR_fcntl)
        return args[1] == F_DUPFD || args[1] == F_DUPFD_CLOEXEC;
    if (call->number == __NR_clone3)
        return read_memory(pid, args[0], &clone.flags, sizeof(clone.flags)) == sizeof(clone.flags) && clone.flags & CLONE_PIDFD;
    return 1;
}

/* What an open does; without O_CREAT it is only an open. */
static enum class class_of(pid_t pid, const struct call *call, const uint64_t *args)
{
    struct open_how how = {0};
    if (call->class != OPEN)
        return call->class;
    if (call->number == __NR_openat2 && read_memory(pid, args[2], &how, sizeof(how)) != (int)sizeof(how))
        return OPEN;
    if (call->number != __NR_openat2)
        how.flags = args[call->path + 1];
    return how.flags & O_CREAT || (how.flags & O_TMPFILE) == O_TMPFILE ? CREATE : OPEN;
}

static pid_t group_of(pid_t thread)
{
    char file[64], line[256];
    pid_t group = thread;
    snprintf(file, sizeof(file), "/proc/%d/status", thread);
    FILE *status = fopen(file, "re");
    while (status != NULL && fgets(line, sizeof(line), status) != NULL)
        if (sscanf(line, "Tgid: %d", &group) == 1)
            break;
    if (status != NULL)
        fclose(status);
    return group;
}

/* Whether the fault can meet this call. */
static int counts(struct injection *in, const struct seccomp_notif *asked, const struct call *call, char text[PATH_MAX])
{
    pid_t pid = (pid_t)asked->pid;
    const uint64_t *args = (const uint64_t *)asked->data.args;
    text[0] = 0;
    if (!(class_of(pid, call, args) & in->fault->classes))
        return 0;
    if (strcmp(in->fault->name, "orphan") == 0 && group_of(pid) == in->command)
        return 0;
    if (call->class == DESCRIPTOR)
        return in->begun && makes_descriptor(pid, call, args);
    int found = call->path >= 0 ? path_counts(in, pid, call, args, text) : descriptor_counts(in, pid, (int)args[call->directory], text);
    in->begun |= found;
    return found;
}

/* Kills what descends from this process until nothing does. */
static void kill_all(void)
{
    for (int found = 1; found > 0;) {
        found = 0;
        DIR *proc = opendir("/proc");
        for (struct dirent *entry; proc != NULL && (entry = readdir(proc)) != NULL;) {
            char file[300], line[512] = "";
            if (!isdigit((unsigned char)entry->d_name[0]))
                continue;
            pid_t parent = 0;
            for (pid_t pid = atoi(entry->d_name); pid > 1 && parent != getpid(); pid = parent) {
                char state = 0;
                snprintf(file, sizeof(file), "/proc/%d/stat", pid);
                FILE *stat_file = fopen(file, "re");
                if (stat_file == NULL)
                    break;
                size_t length = fread(line, 1, sizeof(line) - 1, stat_file);
                fclose(stat_file);
                line[length] = 0;
                char *end = strrchr(line, ')');
                if (end == NULL || sscanf(end, ") %c %d", &state, &parent) != 2 || state == 'Z' || state == 'X') {
                    parent = 0;
                    break;
                }
            }
            if (parent == getpid() && kill(atoi(entry->d_name), SIGKILL) == 0)
                found++;
        }
        if (proc != NULL)
            closedir(proc);
        usleep(1000);
    }
}

/* Decides on one call. */
static void answer(struct injection *in, int listener)
{
    struct seccomp_notif asked = {0};
    char text[PATH_MAX];
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &asked) < 0)
        return;
    struct seccomp_notif_resp reply = {.id = asked.id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    const struct call *call = calls;
    while (call < calls + N_CALLS && call->number != asked.data.nr)
        call++;
    if (call < calls + N_CALLS && counts(in, &asked, call, text)) {
        in->seen++;
        if (in->trace != NULL)
            fprintf(in->trace, "%ld %s %s\n", in->seen, call->name, text);
        if (in->at > 0 && (in->seen == in->at || (in->lasting && in->seen > in->at))) {
            if (in->trace != NULL)
                fprintf(in->trace, "%s\n", in->fault->name);
            if (in->fault->error != 0)
                reply = (struct seccomp_notif_resp){.id = asked.id, .error = -in->fault->error};
            else if (strcmp(in->fault->name, "kill") == 0)
                kill(group_of((pid_t)asked.pid), SIGKILL);
            else if (strcmp(in->fault->name, "orphan") == 0)
                kill(in->command, SIGKILL);
            else
                kill_all();
        }
    }
    if (call < calls + N_CALLS && call->class == SYNC && reply.error == 0)
        reply.flags = 0; /* done, as far as the caller knows */
    ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &reply);
}

static void read_fault(struct injection *in, const char *text)
{
    size_t length = strcspn(text, "+");
    in->lasting = text[length] == '+';
    for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++)
        if (strlen(faults[i].name) == length && strncmp(text, faults[i].name, length) == 0)
            in->fault = &faults[i];
    if (in->fault == NULL)
        die("read fault %s: not known", text);
}

int main(int argc, char **argv)
{
    if (argc < 6)
        die("usage: inject FAULT AT DIRECTORY TRACE COMMAND...");
    struct injection in = {.at = atol(argv[2]), .directory = argv[3]};
    read_fault(&in, argv[1]);
    in.trace = fopen(argv[4], "we");
    if (stat(in.directory, &in.place) < 0 || stat("/.", &in.root) < 0 || in.trace == NULL)
        die("open %s and %s: %s", in.directory, argv[4], strerror(errno));
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 || prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) < 0)
        die("prepare: %s", strerror(errno));
    pid_t child = fork();
    if (child == 0) {
        send_descriptor(pair[1], install_filter());
        execvp(argv[5], argv + 5);
        _exit(97);
    }
    close(pair[1]);
    in.command = child;
    struct pollfd listener = {.fd = receive_descriptor(pair[0]), .events = POLLIN};
    while (poll(&listener, 1, -1) >= 0 && !(listener.revents & POLLHUP))
        if (listener.revents & POLLIN)
            answer(&in, listener.fd);
    int status = 0;
    if (waitpid(child, &status, 0) != child)
        die("wait for %s: %s", argv[5], strerror(errno));
    fclose(in.trace);
    while (waitpid(-1, NULL, WNOHANG) > 0)
        ;
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
