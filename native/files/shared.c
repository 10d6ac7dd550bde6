#define _GNU_SOURCE
#include "shared.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/syscalls.h"
#include "mounts.h"

/** Runs in a process that can be thrown away: a mount is copied only from inside of its namespace. Links of that container lead nowhere. */
static _Noreturn void send_tree(int mount_namespace, const char *path, int channel) {
    if (setns(mount_namespace, CLONE_NEWNS) < 0)
        _exit(errno);
    int place = sys_openat2(AT_FDCWD, path, O_PATH | O_DIRECTORY, RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    int tree = place < 0 ? -1 : sys_open_tree(place, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0)
        _exit(errno);
    _exit(send_fds(channel, "t", 1, &tree, 1) < 0 ? errno : 0);
}

static int fetch_tree(int mount_namespace, const char *path) {
    int ends[2], status = 0, tree = -1;
    size_t count = 1;
    char byte;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -1;
    pid_t pid = fork();
    if (pid == 0)
        send_tree(mount_namespace, path, ends[1]);
    close(ends[1]);
    if (pid > 0 && receive_fds(ends[0], &byte, 1, &tree, &count, NULL) <= 0)
        tree = -1;
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, &status, 0);
    if (tree < 0)
        errno = pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) ? WEXITSTATUS(status) : EIO;
    return tree;
}

int shared_mount(const struct plan *plan, int mount_namespace, struct scratch *scratch, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++) {
        const struct plan_mount *mount = &plan->mounts.items[i];
        auto_free char *path = NULL;
        if (mount->kind != MOUNT_NEIGHBOUR)
            continue;
        auto_close int tree = fetch_tree(mount_namespace, mount->source);
        if (tree < 0)
            return fail(failure, "mount", errno, "%s of the container whose ipc namespace is used", mount->source);
        if (scratch_directory(scratch, "tree", i, &path, failure) < 0)
            return -1;
        if (sys_move_mount(tree, AT_FDCWD, path, 0) < 0)
            return fail(failure, "mount", errno, "move_mount %s", mount->source);
    }
    return 0;
}
