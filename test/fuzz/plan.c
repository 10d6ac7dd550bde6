/* The plan parser. The checksum would stop nearly every mutation, so it is made right before the parser sees the bytes. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Words a plan is made of: a byte of the input stands for one, so that random bytes reach every operation. */
static const char *const words[] = {
    "id", "mode", "dir", "socket", "exec-socket", "idmap", "uidmap", "gidmap", "root", "layer", "upper", "work", "rootdir", "fuse-program", "volatile", "root-readonly",
    "ns", "net-helper", "publish", "mount", "mount-layer", "mount-upper", "mount-inside", "env-data", "data", "0:5", "5:99999999", ":", "device", "mask", "readonly-path", "hostname", "sysctl", "arg", "env", "cwd", "user", "group", "home-env", "umask", "tty",
    "stdin", "cap", "nnp", "seccomp", "rlimit", "oom-score-adj", "init", "stop", "timeout", "restart", "log", "remove", "rename", "detach-keys", "sig-proxy", "output-only", "health", "container", "net-hold", "net-of", "attach", "name", "resolver", "0123456789ab", "internal,dns,route", "dns", "eth0", "02:42:0a:59:00:02", "03:42:0a:59:00:02", "10.89.0.2/24", "10.89.0.2/33", "fd00::2/64", "10.9.9.9#53", "10.9.9.9#0", "fd00::53", "9", "1400", "-", "end",
    "0", "1", "2", "3", "4", "5", "6", "64", "65", "4294967295", "18446744073709551615", "-1", "-1000", "99999999999999999999", "detach", "foreground", "child",
    "newuidmap", "direct", "single", "overlay", "fuse", "pid", "net", "new", "host", "pasta", "slirp4netns", "/a", "/usr/bin/pasta", "@NETNS@", "tcp", "udp", "127.0.0.1",
    "proc", "sysfs", "bind", "tmpfs", "devpts", "ro,rec,nosuid", "mode=0755,size=1k", "create=file", "create=", ",,=,", "ro=", "K=V", "=V", "0777", "7777", "open", "once",
    "nofile", "nproc", "always", "on-failure", "no", "k8s-file", "json-file", "00ff", "0f0", "ro", "rw", "", "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    "ns-path", "user", "root-slave", "capabilities", "ffffffffffffffff", "domainname", "console", "state", "hook", "create-container", "start-container", "hook-arg", "hook-env",
    "target", "host", "slave", "5", "cgroup", "cgroup-file", "cgroup-pod", "scope", "split", "directory", "member", "apart", "private", "bus", "@x", "memory.max", "cgroup.kill", "a.slice",
};

static void parse_words(const uint8_t *data, size_t size) {
    for (enum plan_kind kind = PLAN_RUN; kind <= PLAN_NETWORK; kind *= 2) {
        struct plan plan;
        struct failure failure = {0};
        char *buffer = NULL;
        size_t length = 0;
        FILE *out = open_memstream(&buffer, &length);
        fwrite("coracle-plan 1", sizeof "coracle-plan 1", 1, out);
        for (size_t i = 0; i < size && i < 4096; i++)
            fwrite(words[data[i] % N_ELEMENTS(words)], strlen(words[data[i] % N_ELEMENTS(words)]) + 1, 1, out);
        fflush(out);
        uint32_t crc = plan_crc(buffer, length);
        fprintf(out, "end%c1%c%08x%c", 0, 0, (unsigned)crc, 0);
        fclose(out);
        plan_parse(buffer, length, kind, &plan, &failure);
        plan_free(&plan);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const enum plan_kind kinds[] = {PLAN_RUN, PLAN_EXEC, PLAN_AGENT, PLAN_CREATE, PLAN_ENTER, PLAN_HOLDER, PLAN_NETWORK};
    static const char start[] = "coracle-plan 1";
    for (size_t i = 0; i < N_ELEMENTS(kinds); i++) {
        struct plan plan;
        struct failure failure = {0};
        size_t body = sizeof start + size;
        char *buffer = malloc(body + 16);
        if (!buffer)
            return 0;
        memcpy(buffer, start, sizeof start);
        memcpy(buffer + sizeof start, data, size);
        if (size > 0)
            buffer[body - 1] = 0;
        sprintf(buffer + body, "end%c1%c%08x", 0, 0, (unsigned)plan_crc(buffer, body));
        plan_parse(buffer, body + 15, kinds[i], &plan, &failure);
        plan_free(&plan);
    }
    parse_words(data, size);
    struct plan plan;
    struct failure failure = {0};
    char *raw = malloc(size + 1);
    if (!raw)
        return 0;
    memcpy(raw, data, size);
    plan_parse(raw, size, PLAN_RUN, &plan, &failure);
    plan_free(&plan);
    return 0;
}
