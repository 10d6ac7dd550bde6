#define _GNU_SOURCE
#include "kernel.h"

#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "base/message.h"
#include "base/syscalls.h"
#include "files/paths.h"

int kernel_loopback_up(struct failure *failure) {
    struct ifreq request = {.ifr_name = "lo"};
    auto_close int socket_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (socket_fd < 0)
        return fail(failure, "network", errno, "socket");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ioctl(socket_fd, SIOCSIFFLAGS, &request) < 0 ? fail(failure, "network", errno, "lo up") : 0;
}

/** Only what belongs to a namespace of the container; the rest of /proc/sys is the host's. */
static bool allowed(const struct plan *plan, const char *key) {
    static const struct {
        const char *prefix;
        enum plan_ns ns;
    } rules[] = {
        {"net.", PLAN_NS_NET}, {"kernel.msg", PLAN_NS_IPC}, {"kernel.sem", PLAN_NS_IPC}, {"kernel.shm", PLAN_NS_IPC}, {"fs.mqueue.", PLAN_NS_IPC},
    };
    for (size_t i = 0; i < N_ELEMENTS(rules); i++)
        if (strncmp(key, rules[i].prefix, strlen(rules[i].prefix)) == 0)
            return !plan_shares(plan, rules[i].ns);
    return false;
}

static int write_sysctl(int proc, const char *key, const char *value) {
    char path[256] = "sys/";
    size_t length = strlen(key);
    if (length >= sizeof path - 4 || strstr(key, "..")) {
        errno = EINVAL;
        return -1;
    }
    memcpy(path + 4, key, length + 1);
    for (char *at = path + 4; *at; at++)
        if (*at == '.')
            *at = '/';
        else if (*at == '/')
            *at = '.';
    auto_close int fd = sys_openat2(proc, path, O_WRONLY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    if (fd < 0)
        return -1;
    return path_is_proc(fd) ? write_full(fd, value, strlen(value)) : -1;
}

/** Ports below 1024 and ping need no capability in a network of the container's own. */
static void relax_network(const struct plan *plan, int proc, int report) {
    char range[32];
    uint64_t highest = 0;
    for (size_t i = 0; i < plan->ids.gid.count; i++) {
        uint64_t end = (uint64_t)plan->ids.gid.items[i].container + plan->ids.gid.items[i].size - 1;
        highest = end > highest ? end : highest;
    }
    snprintf(range, sizeof range, "0 %llu", (unsigned long long)highest);
    if (write_sysctl(proc, "net.ipv4.ping_group_range", range) < 0)
        message_warn(report, "sysctl", errno, "net.ipv4.ping_group_range=%s", range);
    if (write_sysctl(proc, "net.ipv4.ip_unprivileged_port_start", "0") < 0)
        message_warn(report, "sysctl", errno, "net.ipv4.ip_unprivileged_port_start=0");
}

int kernel_configure(const struct plan *plan, int proc, int report, struct failure *failure) {
    /* A bundle says itself what it wants of its network. */
    if (proc >= 0 && plan->kind == PLAN_RUN && !plan_shares(plan, PLAN_NS_NET))
        relax_network(plan, proc, report);
    for (size_t i = 0; i < plan->sysctls.count; i++) {
        const struct plan_sysctl *sysctl = &plan->sysctls.items[i];
        if (!allowed(plan, sysctl->key))
            return fail(failure, "sysctl", EPERM, "%s is not of a namespace of the container", sysctl->key);
        if (proc < 0 || write_sysctl(proc, sysctl->key, sysctl->value) < 0)
            return fail(failure, "sysctl", proc < 0 ? ENOENT : errno, "%s=%s", sysctl->key, sysctl->value);
    }
    return 0;
}
