#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "agent/agent.h"
#include "base/syscalls.h"
#include "files/mounts.h"
#include "files/root.h"
#include "probe.h"

int probe_proc(struct probe_context *probe) {
    /* A probe is no pid 1 of the old /proc: a new one must be fully visible first. */
    auto_close int proc = mount_new("proc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL);
    return proc < 0 ? fail(&probe->failure, "proc", errno, "new procfs") : 0;
}

static int make_directory(const char *name, struct failure *failure) {
    return mkdir(name, 0755) < 0 ? fail(failure, "mkdir", errno, "%s", name) : 0;
}

/** A lower directory that is removed and made again is where wrong mount options show: EIO, or old entries come back. */
static int use_overlay(struct failure *failure) {
    struct stat status;
    char value[4];
    if (rmdir("mnt/kept/below") < 0 || rmdir("mnt/kept") < 0)
        return fail(failure, "remove", errno, "a lower directory");
    if (mkdir("mnt/kept", 0755) < 0)
        return fail(failure, "mkdir", errno, "over a whiteout");
    if (stat("mnt/kept/below", &status) == 0)
        return fail(failure, "opaque", EIO, "a removed entry came back");
    if (getxattr("upper/kept", "user.overlay.opaque", value, sizeof value) != 1)
        return fail(failure, "opaque", errno, "upper/kept");
    return chown("mnt/kept", 0, 0) < 0 ? fail(failure, "chown", errno, "mnt/kept") : 0;
}

static int in_scratch(struct probe_context *probe, int (*run)(struct probe_context *, struct failure *)) {
    static const char *const directories[] = {"lower", "lower/kept", "lower/kept/below", "upper", "work", "mnt"};
    char name[40];
    struct failure *failure = &probe->failure;
    snprintf(name, sizeof name, ".coracle-probe-%lld", (long long)monotonic_ms());
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "mount", errno, "make / private");
    if (chdir(probe->arguments[0]) < 0 || mkdir(name, 0700) < 0)
        return fail(failure, "mkdir", errno, "%s/%s", probe->arguments[0], name);
    int result = chdir(name) < 0 ? fail(failure, "chdir", errno, "%s", name) : 0;
    for (size_t i = 0; result == 0 && i < N_ELEMENTS(directories); i++)
        result = make_directory(directories[i], failure);
    if (result == 0)
        result = run(probe, failure);
    umount2("mnt", MNT_DETACH);
    if (chdir("..") == 0)
        remove_tree(AT_FDCWD, name);
    return result;
}

static int try_overlay(struct probe_context *probe, struct failure *failure) {
    (void)probe;
    if (mount("overlay", "mnt", "overlay", 0, "userxattr,lowerdir=lower,upperdir=upper,workdir=work") < 0)
        return fail(failure, "overlay", errno, "mount");
    return use_overlay(failure);
}

int probe_overlay(struct probe_context *probe) {
    return in_scratch(probe, try_overlay);
}

/** FAT, many network file systems and those of other programs keep no owners. */
static int try_owners(struct probe_context *probe, struct failure *failure) {
    (void)probe;
    return chown("upper", 1, 1) < 0 ? fail(failure, "chown", errno, "to another id") : 0;
}

int probe_owners(struct probe_context *probe) {
    return in_scratch(probe, try_owners);
}

static int try_fuse(struct probe_context *probe, struct failure *failure) {
    char here[4096], paths[4][4200], *layers[] = {paths[0], NULL};
    static const char *const names[] = {"lower", "upper", "work", "mnt"};
    pid_t server = 0;
    if (!getcwd(here, sizeof here))
        return fail(failure, "getcwd", errno, "%s", probe->arguments[0]);
    for (size_t i = 0; i < N_ELEMENTS(names); i++)
        snprintf(paths[i], sizeof paths[i], "%s/%s", here, names[i]);
    struct plan plan = {.root = ROOT_FUSE, .fuse_program = probe->arguments[1], .layers = {layers, 1}, .upper = paths[1], .work = paths[2]};
    struct scratch scratch = {.root = paths[3]};
    int result = root_mount(&plan, &scratch, &server, failure);
    if (result == 0 && (rmdir("mnt/kept/below") < 0 || rmdir("mnt/kept") < 0 || mkdir("mnt/kept", 0755) < 0))
        result = fail(failure, "remove", errno, "a lower directory");
    umount2("mnt", MNT_DETACH);
    if (server > 0) {
        kill(server, SIGKILL);
        waitpid(server, NULL, 0);
    }
    return result;
}

int probe_fuse_overlayfs(struct probe_context *probe) {
    return in_scratch(probe, try_fuse);
}

int probe_idmapped(struct probe_context *probe) {
    auto_close int userns = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
    auto_close int tree = sys_open_tree(AT_FDCWD, probe->arguments[0], OPEN_TREE_CLONE);
    struct mount_attr attributes = {.attr_set = MOUNT_ATTR_IDMAP, .userns_fd = (uint64_t)userns};
    if (tree < 0)
        return fail(&probe->failure, "open_tree", errno, "%.400s", probe->arguments[0]);
    if (syscall(SYS_mount_setattr, tree, "", AT_EMPTY_PATH, &attributes, sizeof attributes) < 0)
        return fail(&probe->failure, "mount_setattr", errno, "%.400s", probe->arguments[0]);
    return 0;
}
