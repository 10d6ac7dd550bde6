#define _GNU_SOURCE
#include "processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "base/util.h"

enum { NESTED_MAX = 32, FREEZE_PASSES = 1000, KILL_PASSES = 100 };

static bool same(int fd, const struct stat *wanted) {
    struct stat stat;
    return fstat(fd, &stat) == 0 && stat.st_ino == wanted->st_ino && stat.st_dev == wanted->st_dev;
}

/** The namespace whose processes are meant, and where a process shows its own. */
struct target {
    struct stat stat;
    const char *name;
};

/** Namespaces end upwards at our own: the kernel then refuses to tell the parent. */
static bool is_inside(int process, const struct target *target) {
    int fd = openat(process, target->name, O_RDONLY | O_CLOEXEC);
    const struct stat *wanted = &target->stat;
    for (int depth = 0; fd >= 0 && depth < NESTED_MAX; depth++) {
        bool found = same(fd, wanted);
        int parent = found ? -1 : ioctl(fd, NS_GET_PARENT); /* a mount namespace has none */
        close(fd);
        if (found)
            return true;
        fd = parent;
    }
    drop_fd(&fd);
    return false;
}

/** Calls `visit` with a directory of /proc that is also the process's pidfd, so that its pid cannot become another's. */
static int visit_processes(int space, pid_t first, int (*visit)(void *context, int process, pid_t pid), void *context) {
    struct target target = {.name = ioctl(space, NS_GET_NSTYPE) == CLONE_NEWNS ? "ns/mnt" : "ns/pid"};
    if (fstat(space, &target.stat) < 0)
        return -1;
    DIR *proc = opendir("/proc");
    if (!proc)
        return -1;
    int result = 0;
    for (struct dirent *entry; result == 0 && (entry = readdir(proc));) {
        uint64_t pid;
        if (!parse_number(entry->d_name, INT32_MAX, &pid))
            continue;
        auto_close int process = openat(dirfd(proc), entry->d_name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (process >= 0 && ((pid_t)pid == first || is_inside(process, &target)))
            result = visit(context, process, (pid_t)pid);
    }
    closedir(proc);
    return result;
}

struct list {
    pid_t *pids;
    size_t count, room;
};

static int add(void *context, int process, pid_t pid) {
    struct list *list = context;
    (void)process;
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        pid_t *larger = realloc(list->pids, room * sizeof *larger);
        if (!larger)
            return -1;
        list->pids = larger;
        list->room = room;
    }
    list->pids[list->count++] = pid;
    return 0;
}

ssize_t processes_find(int space, pid_t first, pid_t **pids) {
    struct list list = {0};
    if (visit_processes(space, first, add, &list) < 0) {
        int number = errno;
        free(list.pids);
        errno = number;
        return -1;
    }
    *pids = list.pids;
    return (ssize_t)list.count;
}

/** T stopped, t traced, Z and X dead: nothing that would go on. */
static bool stands_still(int process) {
    char text[512];
    auto_close int fd = openat(process, "stat", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return true;
    text[length] = 0;
    const char *after = strrchr(text, ')');
    return after && after[1] && strchr("TtZX", after[2]);
}

static int stop_one(void *context, int process, pid_t pid) {
    unsigned *moving = context;
    (void)pid;
    if (stands_still(process))
        return 0;
    *moving += 1;
    return sys_pidfd_signal(process, SIGSTOP) < 0 && errno != ESRCH ? -1 : 0;
}

static int go_on(void *context, int process, pid_t pid) {
    (void)context;
    (void)pid;
    return sys_pidfd_signal(process, SIGCONT) < 0 && errno != ESRCH ? -1 : 0;
}

static int kill_one(void *context, int process, pid_t pid) {
    unsigned *found = context;
    (void)pid;
    *found += sys_pidfd_signal(process, SIGKILL) == 0;
    return 0;
}

void processes_kill(int space) {
    unsigned found = 1;
    for (int pass = 0; found > 0 && pass < KILL_PASSES; pass++) {
        found = 0;
        if (visit_processes(space, 0, kill_one, &found) < 0)
            return;
    }
}

int processes_freeze(int space, pid_t first, int stop) {
    if (!stop)
        return visit_processes(space, first, go_on, NULL);
    /* One that was about to fork has a child that we have not seen: until nothing moves. */
    for (int pass = 0; pass < FREEZE_PASSES; pass++) {
        unsigned moving = 0;
        if (visit_processes(space, first, stop_one, &moving) < 0)
            return -1;
        if (moving == 0)
            return 0;
    }
    errno = EBUSY;
    return -1;
}
