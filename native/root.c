#define _GNU_SOURCE
#include "root.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "syscalls.h"

int scratch_mount(const struct plan *plan, struct scratch *scratch, struct failure *failure) {
    if (asprintf(&scratch->directory, "%s/mnt", plan->directory) < 0 || asprintf(&scratch->root, "%s/mnt/root", plan->directory) < 0 ||
        asprintf(&scratch->netns, "%s/mnt/netns", plan->directory) < 0)
        return fail(failure, "scratch", ENOMEM, "paths");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return fail(failure, "scratch", errno, "make / private");
    if (mkdir(scratch->directory, 0700) < 0 && errno != EEXIST)
        return fail(failure, "scratch", errno, "%s", scratch->directory);
    if (mount("coracle", scratch->directory, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700,size=64k") < 0)
        return fail(failure, "scratch", errno, "mount tmpfs %s", scratch->directory);
    return mkdir(scratch->root, 0755) < 0 ? fail(failure, "scratch", errno, "%s", scratch->root) : 0;
}

/** The text of the options; layers are named by descriptor number: no length limit on paths, nothing to escape. */
struct options {
    char *text;
    size_t room;
    /** What stands before each number, and how the directories are opened. */
    const char *prefix;
    int flags;
};

static int append_directory(struct options *options, const char *key, const char *path, struct failure *failure) {
    int fd = open(path, O_DIRECTORY | options->flags);
    size_t length = strlen(options->text), room = options->room - length;
    if (fd < 0)
        return fail(failure, "overlay", errno, "%s", path);
    if ((size_t)snprintf(options->text + length, room, "%s%s%d", key, options->prefix, fd) >= room)
        return fail(failure, "overlay", E2BIG, "too many layers");
    return 0;
}

static int append_layers(struct options *options, const struct plan *plan, struct failure *failure) {
    for (size_t i = 0; i < plan->layers.count; i++)
        if (append_directory(options, i == 0 ? "lowerdir=" : ":", plan->layers.items[i], failure) < 0)
            return -1;
    if (!plan->upper)
        return 0;
    if (append_directory(options, ",upperdir=", plan->upper, failure) < 0)
        return -1;
    return append_directory(options, ",workdir=", plan->work, failure);
}

static int mount_tree(const char *source, const char *target, uint64_t attributes, struct failure *failure) {
    auto_close int tree = sys_open_tree(AT_FDCWD, source, OPEN_TREE_CLONE | AT_RECURSIVE);
    if (tree < 0)
        return fail(failure, "root", errno, "open_tree %s", source);
    if (attributes && sys_mount_setattr(tree, AT_RECURSIVE, attributes) < 0)
        return fail(failure, "root", errno, "mount_setattr %s", source);
    if (sys_move_mount(tree, AT_FDCWD, target, 0) < 0)
        return fail(failure, "root", errno, "move_mount %s", target);
    return 0;
}

static int mount_overlay(const struct plan *plan, const struct scratch *scratch, struct failure *failure) {
    char text[4096] = "userxattr,";
    struct options options = {.text = text, .room = sizeof text, .prefix = "", .flags = O_PATH | O_CLOEXEC};
    if (plan->is_volatile && plan->upper)
        strcat(text, "volatile,");
    /* The kernel wants two lower directories where there is no upper one. */
    if (!plan->upper && plan->layers.count == 1)
        return mount_tree(plan->layers.items[0], scratch->root, MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV, failure);
    if (append_layers(&options, plan, failure) < 0)
        return -1;
    if (chdir("/proc/self/fd") < 0)
        return fail(failure, "overlay", errno, "/proc/self/fd");
    int result = mount("overlay", scratch->root, "overlay", plan->upper ? 0 : MS_RDONLY, text);
    if (result < 0)
        fail(failure, "overlay", errno, "mount %.200s", text);
    return chdir("/") < 0 ? fail(failure, "overlay", errno, "/") : result;
}

/** Runs in the child: its descriptors are the layers and nothing else. */
static _Noreturn void exec_fuse(const struct plan *plan, const struct scratch *scratch) {
    char text[16384] = "";
    struct options options = {.text = text, .room = sizeof text, .prefix = "/proc/self/fd/", .flags = O_RDONLY};
    struct failure failure = {0};
    char *const environment[] = {NULL};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || null_stdio() < 0 || sys_close_range(3, ~0U, 0) < 0 || append_layers(&options, plan, &failure) < 0)
        _exit(126);
    if (plan->is_volatile)
        strcat(text, ",volatile");
    char *const arguments[] = {(char *)(uintptr_t)plan->fuse_program, "-f", "-o", text, scratch->root, NULL};
    reset_signals();
    execve(plan->fuse_program, arguments, environment);
    _exit(errno == ENOENT ? 127 : 126);
}

/** Waits until the mount point shows another device: then fuse-overlayfs answers. */
static int await_fuse(pid_t server, const char *root, dev_t before, struct failure *failure) {
    for (int64_t deadline = monotonic_ms() + 20000; monotonic_ms() < deadline;) {
        struct stat now;
        int status;
        if (stat(root, &now) == 0 && now.st_dev != before)
            return 0;
        if (waitpid(server, &status, WNOHANG) == server)
            return fail(failure, "fuse", 0, "fuse-overlayfs ended with status %d", WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return fail(failure, "fuse", ETIMEDOUT, "fuse-overlayfs");
}

static int mount_fuse(const struct plan *plan, const struct scratch *scratch, pid_t *server, struct failure *failure) {
    struct stat before;
    if (access(plan->fuse_program, X_OK) < 0)
        return fail(failure, "fuse", errno, "%s", plan->fuse_program);
    if (access("/dev/fuse", R_OK | W_OK) < 0)
        return fail(failure, "fuse", errno, "/dev/fuse");
    if (stat(scratch->root, &before) < 0)
        return fail(failure, "fuse", errno, "%s", scratch->root);
    *server = fork();
    if (*server == 0)
        exec_fuse(plan, scratch);
    if (*server < 0)
        return fail(failure, "fuse", errno, "fork");
    return await_fuse(*server, scratch->root, before.st_dev, failure);
}

int root_mount(const struct plan *plan, const struct scratch *scratch, pid_t *server, struct failure *failure) {
    *server = 0;
    if (plan->root == ROOT_DIR)
        return mount_tree(plan->rootdir, scratch->root, MOUNT_ATTR_NODEV, failure);
    if (plan->root == ROOT_FUSE)
        return mount_fuse(plan, scratch, server, failure);
    return mount_overlay(plan, scratch, failure);
}
