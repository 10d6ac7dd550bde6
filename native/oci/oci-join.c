/* Namespaces that are there already. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "oci.h"
#include "plan/plan-values.h"

static const int types[PLAN_NS_COUNT] = {CLONE_NEWPID, CLONE_NEWIPC, CLONE_NEWUTS, CLONE_NEWCGROUP, CLONE_NEWNET};

static int open_namespace(const char *path, int *fd, struct failure *failure) {
    if (!path)
        return 0;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    return *fd < 0 ? fail(failure, "namespaces", errno, "%s", path) : 0;
}

static bool is_own_user_namespace(int fd) {
    struct stat given, own;
    return fstat(fd, &given) == 0 && stat("/proc/self/ns/user", &own) == 0 && given.st_ino == own.st_ino && given.st_dev == own.st_dev;
}

static int enter_user(int fd, const char *path, struct failure *failure) {
    if (fd < 0 || is_own_user_namespace(fd))
        return 0;
    if (setns(fd, CLONE_NEWUSER) < 0)
        return fail(failure, "namespaces", errno, "%s", path);
    setgroups(0, NULL); /* EPERM where setgroups is denied */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        return fail(failure, "namespaces", errno, "uid 0 of %s", path);
    return 0;
}

/** Those we may enter as who we are; with `all`, every one that is left must be among them. */
static int enter_others(const struct plan *plan, int fds[PLAN_NS_COUNT], bool all, struct failure *failure) {
    for (int i = 0; i < PLAN_NS_COUNT; i++) {
        if (fds[i] < 0)
            continue;
        if (setns(fds[i], types[i]) == 0)
            drop_fd(&fds[i]);
        else if (all || errno != EPERM)
            return fail(failure, "namespaces", errno, "%s", plan->ns_path[i]);
    }
    return 0;
}

int join_named(const struct plan *plan, struct failure *failure) {
    int fds[PLAN_NS_COUNT] = {-1, -1, -1, -1, -1};
    auto_close int user = -1;
    for (int i = 0; i < PLAN_NS_COUNT; i++)
        if (open_namespace(plan->ns_path[i], &fds[i], failure) < 0)
            return -1;
    if (open_namespace(plan->user_ns_path, &user, failure) < 0)
        return -1;
    /* What is the caller's can be entered only before its user namespace is left, the rest only after. */
    if (enter_others(plan, fds, !plan->user_ns_path, failure) < 0 || enter_user(user, plan->user_ns_path, failure) < 0)
        return -1;
    return enter_others(plan, fds, true, failure);
}

static int read_ranges(const char *path, struct id_ranges *ranges, struct failure *failure) {
    size_t size = 0;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    auto_free char *text = fd < 0 ? NULL : read_all(fd, 65536, &size);
    if (!text)
        return fail(failure, "idmap", errno, "%s", path);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        struct id_range found;
        if (sscanf(line, "%u %u %u", &found.container, &found.host, &found.size) != 3)
            continue;
        struct id_range *range = GROW(*ranges);
        if (!range)
            return fail(failure, "idmap", ENOMEM, "%s", path);
        *range = found;
    }
    return 0;
}

int read_own_ids(struct plan *plan, struct failure *failure) {
    char said[8] = "";
    if (read_ranges("/proc/self/uid_map", &plan->ids.uid, failure) < 0 || read_ranges("/proc/self/gid_map", &plan->ids.gid, failure) < 0)
        return -1;
    auto_close int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);
    if (fd >= 0 && read_full(fd, said, 4) == 4 && strncmp(said, "deny", 4) == 0)
        plan->ids.how = ID_MAP_SINGLE;
    return 0;
}
