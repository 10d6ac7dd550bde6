#define _GNU_SOURCE
#include "birth.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/syscalls.h"
#include "inner.h"
#include "supervisor/exec.h"

static bool is_same(int first, int second) {
    struct stat a, b;
    return fstat(first, &a) == 0 && fstat(second, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/** Only root of its user namespace may enter a namespace, so all of them have to belong to one. */
static int take_handles(struct birth *birth, enum plan_ns ns, int *user, struct container_handles *handles, struct failure *failure) {
    static const enum namespace_fd places[PLAN_NS_COUNT] = {NS_PID, NS_IPC, NS_UTS, NS_CGROUP, NS_NET};
    if (*user >= 0 && !is_same(*user, handles->namespaces[NS_USER]))
        return fail(failure, "namespaces", EXDEV, "containers whose namespaces are used together have to share one user namespace");
    if (*user < 0)
        *user = take_fd(&handles->namespaces[NS_USER]);
    birth->joined[ns] = take_fd(&handles->namespaces[places[ns]]);
    if (ns == PLAN_NS_IPC)
        birth->mounts = take_fd(&handles->namespaces[NS_MOUNT]);
    return 0;
}

static int ask_user(const char *socket, int *user, struct failure *failure) {
    struct container_handles handles = {.pidfd = -1, .cgroup = -1};
    if (container_ask(socket, ASKER_PROCESS, &handles, failure) < 0) {
        failure->stage = "namespaces";
        return -1;
    }
    *user = take_fd(&handles.namespaces[NS_USER]);
    container_forget(&handles);
    return 0;
}

static int ask(const struct plan *plan, struct birth *birth, int *user, struct failure *failure) {
    if (plan->user_of && ask_user(plan->user_of, user, failure) < 0)
        return -1;
    /* The namespaces of containers come with the user namespace of theirs, which is this one. */
    if (plan->user_path && !plan->user_of && (*user = open(plan->user_path, O_RDONLY | O_CLOEXEC)) < 0)
        return fail(failure, "namespaces", errno, "%s", plan->user_path);
    for (int ns = 0; ns < PLAN_NS_COUNT; ns++) {
        struct container_handles handles = {.pidfd = -1, .cgroup = -1};
        if (!plan->ns_of[ns])
            continue;
        if (container_ask(plan->ns_of[ns], ASKER_PROCESS, &handles, failure) < 0) {
            failure->stage = "namespaces";
            return -1;
        }
        int result = take_handles(birth, (enum plan_ns)ns, user, &handles, failure);
        container_forget(&handles);
        if (result < 0)
            return -1;
    }
    return 0;
}

static void close_joined(struct birth *birth) {
    for (size_t i = 0; i < PLAN_NS_COUNT; i++)
        drop_fd(&birth->joined[i]);
    drop_fd(&birth->mounts);
    drop_fd(&birth->inner);
}

int birth_begin(const struct plan *plan, struct birth *birth, struct failure *failure) {
    uint64_t flags = CLONE_NEWNS | (plan_shares(plan, PLAN_NS_PID) ? 0 : (uint64_t)CLONE_NEWPID);
    *birth = (struct birth){.mounts = -1, .inner = -1};
    memset(birth->joined, -1, sizeof birth->joined);
    auto_close int user = -1;
    if (ask(plan, birth, &user, failure) < 0) {
        close_joined(birth);
        return -1;
    }
    birth->shares = user >= 0;
    if (!birth->shares)
        return userns_begin(plan_infra_ids(plan), flags, &birth->own, failure);
    auto_close int outer = plan_is_inner(plan) ? inner_parent(user, failure) : -1;
    if (plan_is_inner(plan) && outer < 0) {
        close_joined(birth);
        return -1;
    }
    if (outer >= 0)
        birth->inner = take_fd(&user);
    return neighbour_begin(outer >= 0 ? outer : user, flags, &birth->neighbour, failure);
}

int birth_finish(const struct plan *plan, struct birth *birth, struct failure *failure) {
    close_joined(birth);
    return birth->shares ? neighbour_finish(&birth->neighbour, failure) : userns_finish(plan_infra_ids(plan), &birth->own, failure);
}

pid_t birth_pid(const struct birth *birth) {
    return birth->shares ? birth->neighbour.pid : birth->own.pid;
}

int birth_pidfd(const struct birth *birth) {
    return birth->shares ? birth->neighbour.pidfd : birth->own.pidfd;
}
