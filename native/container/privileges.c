#define _GNU_SOURCE
#include "privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include "base/message.h"
#include "base/syscalls.h"

int filter_read(const char *path, struct filter *filter, struct failure *failure) {
    size_t size = 0;
    *filter = (struct filter){0};
    if (!path)
        return 0;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    char *text = fd < 0 ? NULL : read_all(fd, BPF_MAXINSNS * sizeof(struct sock_filter), &size);
    if (!text)
        return fail(failure, "seccomp", errno, "%s", path);
    filter->instructions = (struct sock_filter *)(void *)text;
    filter->count = size / sizeof(struct sock_filter);
    if (filter->count == 0 || filter->count > BPF_MAXINSNS || size % sizeof(struct sock_filter) != 0)
        return fail(failure, "seccomp", EINVAL, "%s has %zu bytes", path, size);
    return 0;
}

static void apply_limit(const struct plan_rlimit *wanted, int report) {
    struct rlimit now, next = {.rlim_cur = wanted->soft == UINT64_MAX ? RLIM_INFINITY : wanted->soft, .rlim_max = wanted->hard == UINT64_MAX ? RLIM_INFINITY : wanted->hard};
    if (getrlimit(wanted->resource, &now) < 0) {
        message_warn(report, "rlimit", errno, "%s", wanted->name);
        return;
    }
    bool clamped = next.rlim_max > now.rlim_max;
    if (clamped)
        next.rlim_max = now.rlim_max;
    if (next.rlim_cur > next.rlim_max)
        next.rlim_cur = next.rlim_max;
    if (setrlimit(wanted->resource, &next) < 0)
        message_warn(report, "rlimit", errno, "%s", wanted->name);
    else if (clamped)
        message_warn(report, "rlimit", EPERM, "%s lowered to the hard limit %llu", wanted->name, (unsigned long long)now.rlim_max);
}

int limits_apply(const struct plan *plan, int report, struct failure *failure) {
    char text[16];
    for (size_t i = 0; i < plan->rlimits.count; i++)
        apply_limit(&plan->rlimits.items[i], report);
    if (!plan->has_oom_score)
        return 0;
    /* The file of a process that cannot be dumped is the host's root's. In processes of its own nobody else is there yet to trace it. */
    if (!plan_shares(plan, PLAN_NS_PID))
        prctl(PR_SET_DUMPABLE, 1);
    auto_close int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    snprintf(text, sizeof text, "%d", plan->oom_score);
    bool written = self >= 0 && write_file_at(self, "oom_score_adj", text) == 0;
    int number = errno;
    prctl(PR_SET_DUMPABLE, 0);
    if (self < 0)
        return fail(failure, "oom-score-adj", number, "/proc/self");
    if (!written)
        message_warn(report, "oom-score-adj", number, "%d", plan->oom_score);
    return 0;
}

static int drop_bounding(uint64_t keep) {
    for (unsigned long number = 0; number < 64; number++) {
        int held = prctl(PR_CAPBSET_READ, number, 0, 0, 0);
        if (held < 0)
            return 0; /* past the last capability of this kernel */
        if (held > 0 && !(keep & ((uint64_t)1 << number)) && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) < 0)
            return -1;
    }
    return 0;
}

/** Inheritable and ambient stay empty: otherwise a file's inheritable bits could raise what the process was not given. */
static int set_capabilities(uint64_t capabilities) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    uint64_t known = 0;
    for (unsigned long number = 0; number < 64 && prctl(PR_CAPBSET_READ, number, 0, 0, 0) >= 0; number++)
        known |= (uint64_t)1 << number;
    capabilities &= known;
    for (int i = 0; i < 2; i++)
        data[i].effective = data[i].permitted = (uint32_t)(capabilities >> (32 * i));
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0)
        return -1;
    return (int)syscall(SYS_capset, &header, data);
}

/** Exactly these sets, whoever the process is now. The order matters: an ambient one must be permitted and inheritable. */
static int set_capability_sets(const uint64_t *sets) {
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        data[i].effective = (uint32_t)(sets[CAPABILITY_EFFECTIVE] >> (32 * i));
        data[i].permitted = (uint32_t)(sets[CAPABILITY_PERMITTED] >> (32 * i));
        data[i].inheritable = (uint32_t)(sets[CAPABILITY_INHERITABLE] >> (32 * i));
    }
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 || syscall(SYS_capset, &header, data) < 0)
        return -1;
    for (unsigned long number = 0; number < 64; number++)
        if (sets[CAPABILITY_AMBIENT] & ((uint64_t)1 << number) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
            return -1;
    return 0;
}

static int grant(const struct plan *plan, uid_t uid) {
    return plan->has_capability_sets ? set_capability_sets(plan->capability_sets) : set_capabilities(uid == 0 ? plan->capabilities : 0);
}

static int load_filter(const struct filter *filter) {
    struct sock_fprog program = {.len = (unsigned short)filter->count, .filter = filter->instructions};
    return filter->count == 0 ? 0 : (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program);
}

static int change_ids(const struct identity *identity, bool groups_denied, struct failure *failure) {
    if (!groups_denied && setgroups(identity->group_count, identity->groups) < 0)
        return fail(failure, "user", errno, "setgroups");
    if (setresgid(identity->gid, identity->gid, identity->gid) < 0)
        return fail(failure, "user", errno, "gid %u", (unsigned)identity->gid);
    if (setresuid(identity->uid, identity->uid, identity->uid) < 0)
        return fail(failure, "user", errno, "uid %u", (unsigned)identity->uid);
    return 0;
}

/** Takes hold at the execve. The older place serves kernels before 5.8. */
static int set_apparmor(const char *profile, struct failure *failure) {
    static const char *const places[] = {"attr/apparmor/exec", "attr/exec"};
    auto_free char *text = NULL;
    auto_close int self = open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (self < 0 || asprintf(&text, "exec %s", profile) < 0)
        return fail(failure, "apparmor", errno, "%s", profile);
    for (size_t i = 0; i < N_ELEMENTS(places); i++)
        if (write_file_at(self, places[i], text) == 0)
            return 0;
    return fail(failure, "apparmor", errno, "%s", profile);
}

int privileges_drop(const struct plan *plan, const struct identity *identity, const struct filter *filter, struct failure *failure) {
    if (plan->apparmor && set_apparmor(plan->apparmor, failure) < 0)
        return -1;
    if (plan->personality >= 0 && personality((unsigned long)plan->personality) < 0)
        return fail(failure, "personality", errno, "%#x", (unsigned)plan->personality);
    if (drop_bounding(plan->has_capability_sets ? plan->capability_sets[CAPABILITY_BOUNDING] : plan->capabilities) < 0)
        return fail(failure, "capabilities", errno, "bounding set");
    /* Without no_new_privs a filter needs CAP_SYS_ADMIN, which is about to go. */
    if (!plan->no_new_privileges && load_filter(filter) < 0)
        return fail(failure, "seccomp", errno, "%zu instructions", filter->count);
    if (plan->has_capability_sets && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return fail(failure, "capabilities", errno, "keep");
    if (change_ids(identity, plan->ids.how == ID_MAP_SINGLE || plan->ids.keep_groups, failure) < 0)
        return -1;
    if (grant(plan, identity->uid) < 0)
        return fail(failure, "capabilities", errno, "capset %llx", (unsigned long long)plan->capabilities);
    if (plan->no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return fail(failure, "nnp", errno, "no_new_privs");
    if (plan->no_new_privileges && load_filter(filter) < 0)
        return fail(failure, "seccomp", errno, "%zu instructions", filter->count);
    return 0;
}
