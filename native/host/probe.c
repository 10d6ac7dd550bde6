#define _GNU_SOURCE
#include "probe.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/syscalls.h"
#include "container/kernel.h"
#include "container/userns.h"

static int probe_kernel(struct probe_context *probe) {
    struct utsname name;
    unsigned major = 0, minor = 0;
    uname(&name);
    snprintf(probe->detail, sizeof probe->detail, "%s", name.release);
    sscanf(name.release, "%u.%u", &major, &minor);
    return major > 5 || (major == 5 && minor >= 12) ? 0 : fail(&probe->failure, "version", 0, "%.100s is older than 5.12", name.release);
}

static int probe_device(struct probe_context *probe, const char *path, int flags) {
    auto_close int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK);
    return fd < 0 ? fail(&probe->failure, "open", errno, "%s", path) : 0;
}

static int probe_fuse(struct probe_context *probe) {
    return probe_device(probe, "/dev/fuse", O_RDWR);
}

static int probe_tun(struct probe_context *probe) {
    return probe_device(probe, "/dev/net/tun", O_RDWR);
}

static int probe_seccomp(struct probe_context *probe) {
    uint32_t action = SECCOMP_RET_ERRNO;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) < 0 ? fail(&probe->failure, "seccomp", errno, "SECCOMP_RET_ERRNO") : 0;
}

/** Argument: a directory of the file system in question. */
static int probe_xattr(struct probe_context *probe) {
    char path[4096];
    snprintf(path, sizeof path, "%s/.coracle-probe-%d", probe->arguments[0], (int)getpid());
    if (mkdir(path, 0700) < 0)
        return fail(&probe->failure, "mkdir", errno, "%s", path);
    int result = setxattr(path, "user.coracle.probe", "y", 1, 0);
    if (result < 0)
        fail(&probe->failure, "setxattr", errno, "%s", path);
    rmdir(path);
    return result;
}

static int probe_loopback(struct probe_context *probe) {
    return kernel_loopback_up(&probe->failure);
}

static int probe_nothing(struct probe_context *probe) {
    (void)probe;
    return 0;
}

enum { ON_HOST = 1 };

static const struct probe {
    const char *name;
    size_t least;
    int (*run)(struct probe_context *);
    /** Namespaces the probe runs in; ON_HOST: none. The last three arguments then are the id map. */
    uint64_t flags;
} probes[] = {
    {"kernel", 0, probe_kernel, ON_HOST},
    {"fuse", 0, probe_fuse, ON_HOST},
    {"tun", 0, probe_tun, ON_HOST},
    {"seccomp", 0, probe_seccomp, ON_HOST},
    {"xattr", 1, probe_xattr, ON_HOST},
    {"userns", 3, probe_nothing, 0},
    {"single-userns", 0, probe_nothing, 0},
    {"netns", 3, probe_loopback, CLONE_NEWNET},
    {"proc", 3, probe_proc, CLONE_NEWNS | CLONE_NEWPID},
    {"overlay", 4, probe_overlay, CLONE_NEWNS},
    {"fuse-overlayfs", 5, probe_fuse_overlayfs, CLONE_NEWNS},
    {"owners", 4, probe_owners, CLONE_NEWNS},
    {"idmapped", 4, probe_idmapped, CLONE_NEWNS},
};

/** `container:host:size,...` */
static bool parse_ranges(char *text, struct id_ranges *ranges) {
    static const size_t limit = 340;
    ranges->items = calloc(limit, sizeof *ranges->items);
    for (char *part; ranges->items && (part = strsep(&text, ","));) {
        struct id_range *range = &ranges->items[ranges->count];
        char rest;
        if (ranges->count == limit || sscanf(part, "%u:%u:%u%c", &range->container, &range->host, &range->size, &rest) != 3 || range->size == 0)
            return false;
        ranges->count++;
    }
    return ranges->count > 0;
}

static bool parse_map(struct probe_context *probe, struct id_map *map) {
    static const char *const names[] = {"newuidmap", "direct", "single"};
    if (probe->count < 3)
        return false;
    char **last = probe->arguments + probe->count - 3;
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        if (strcmp(last[0], names[i]) == 0)
            map->how = (enum id_map_how)(ID_MAP_NEWUIDMAP + i);
    return map->how != ID_MAP_NONE && parse_ranges(last[1], &map->uid) && parse_ranges(last[2], &map->gid);
}

static void run_in_namespaces(const struct probe *kind, const struct id_map *map, struct probe_context *probe) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0) {
        fail(&probe->failure, "pipe", errno, "result");
        return;
    }
    pid_t pid = userns_clone(map, kind->flags, NULL, &probe->failure);
    if (pid == 0) {
        kind->run(probe);
        _exit(write_full(ends[1], probe, sizeof *probe) < 0);
    }
    close(ends[1]);
    if (pid > 0 && read_full(ends[0], probe, sizeof *probe) != (ssize_t)sizeof *probe)
        fail(&probe->failure, "child", ECHILD, "it died");
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
}

static void print_text(const char *key, const char *text) {
    printf(",\"%s\":\"", key);
    for (; *text; text++)
        if ((unsigned char)*text < ' ' || *text == '"' || *text == '\\' || (unsigned char)*text > 126)
            printf("\\u%04x", (unsigned char)*text);
        else
            putchar(*text);
    putchar('"');
}

static int run_probe(const struct probe *kind, struct probe_context *probe) {
    struct id_range own_uid = {0, geteuid(), 1}, own_gid = {0, getegid(), 1};
    struct id_map map = {.how = ID_MAP_SINGLE, .uid = {&own_uid, 1}, .gid = {&own_gid, 1}};
    if (kind->flags == ON_HOST) {
        kind->run(probe);
    } else {
        if (kind->least > 0) {
            map = (struct id_map){0};
            if (!parse_map(probe, &map))
                return 125;
        }
        run_in_namespaces(kind, &map, probe);
    }
    bool ok = !probe->failure.stage;
    printf("{\"probe\":\"%s\",\"ok\":%s,\"errno\":%d,\"stage\":\"%s\"", kind->name, ok ? "true" : "false", probe->failure.number, ok ? "" : probe->failure.stage);
    if (!ok)
        print_text("object", probe->failure.object);
    if (probe->detail[0])
        print_text("detail", probe->detail);
    puts("}");
    return 0;
}

int probe_main(int argc, char **argv) {
    for (size_t i = 0; argc > 2 && i < N_ELEMENTS(probes); i++) {
        struct probe_context probe = {.arguments = argv + 3, .count = (size_t)argc - 3};
        if (strcmp(argv[2], probes[i].name) != 0)
            continue;
        int code = probe.count < probes[i].least ? 125 : run_probe(&probes[i], &probe);
        if (code != 0)
            fprintf(stderr, "coracle-sv: wrong arguments of probe %s\n", argv[2]);
        return code;
    }
    fprintf(stderr, "coracle-sv: unknown probe %s\n", argc > 2 ? argv[2] : "(none)");
    return 125;
}
