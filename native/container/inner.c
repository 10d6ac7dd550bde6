#define _GNU_SOURCE
#include "inner.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/nsfs.h>
#include <signal.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "base/syscalls.h"
#include "files/copyup.h"
#include "files/mounts.h"
#include "files/overlay.h"
#include "files/ownership.h"
#include "userns.h"

/** Only the process itself can tell where it is in the /proc of the host, which numbers it differently. Lives until it is mapped. */
static _Noreturn void show_namespace(int channel) {
    char byte;
    const int fds[2] = {open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC), open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC)};
    bool shown = fds[0] >= 0 && fds[1] >= 0 && send_fds(channel, "u", 1, fds, 2) == 1;
    _exit(shown && read_full(channel, &byte, 1) >= 0 ? 0 : 1);
}

static int map_child(const struct id_map *map, int channel, struct failure *failure) {
    int fds[2] = {-1, -1};
    size_t count = 2;
    char byte;
    bool shown = receive_fds(channel, &byte, 1, fds, &count, NULL) == 1 && count == 2;
    auto_close int namespace = fds[0], directory = fds[1];
    if (!shown)
        return fail(failure, "userns", EIO, "user namespace of the container");
    return userns_write(map, directory, failure) < 0 ? -1 : take_fd(&namespace);
}

int inner_make(const struct id_map *map, struct failure *failure) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "userns", errno, "socketpair");
    /* Its maps can be written by us only while it is dumpable. */
    prctl(PR_SET_DUMPABLE, 1);
    pid_t pid = sys_clone(CLONE_NEWUSER, NULL);
    int error = errno;
    if (pid == 0) {
        close(ends[0]);
        show_namespace(ends[1]);
    }
    close(ends[1]);
    int namespace = pid < 0 ? fail(failure, "userns", error, "clone a user namespace inside of another") : map_child(map, ends[0], failure);
    prctl(PR_SET_DUMPABLE, 0);
    close(ends[0]);
    if (pid > 0)
        waitpid(pid, NULL, 0);
    return namespace;
}

int inner_parent(int inner, struct failure *failure) {
    int fd = ioctl(inner, NS_GET_PARENT);
    return fd < 0 ? fail(failure, "namespaces", errno, "the user namespace around the other container's") : fd;
}

/** The id that A sees the container's 0 as. */
static uint32_t root_of(const struct id_ranges *ranges) {
    for (size_t i = 0; i < ranges->count; i++)
        if (ranges->items[i].container == 0)
            return ranges->items[i].host;
    return 0;
}

/** A volume that was not used yet is the caller's. */
static int give_volume(int tree, const struct plan *plan) {
    struct stat status;
    int empty = copyup_pending(tree);
    if (empty <= 0 || fstat(tree, &status) < 0 || status.st_uid != 0)
        return empty < 0 ? -1 : 0;
    return fchownat(tree, "", root_of(&plan->ids.uid), root_of(&plan->ids.gid), AT_EMPTY_PATH);
}

static int prepare_bind(const struct plan *plan, size_t index, const struct scratch *scratch, struct failure *failure) {
    const struct plan_mount *mount = &plan->mounts.items[index];
    bool file;
    if (!mount->chown && !mount->copy_up)
        return 0;
    auto_close int tree = tree_open(plan, index, scratch, &file, failure);
    if (tree < 0)
        return -1;
    if (mount->chown)
        return give_tree(tree, root_of(&plan->ids.uid), root_of(&plan->ids.gid), failure);
    return give_volume(tree, plan) < 0 ? fail(failure, "mount", errno, "%s", mount->source) : 0;
}

int inner_prepare(const struct plan *plan, const struct scratch *scratch, struct failure *failure) {
    for (size_t i = 0; i < plan->mounts.count; i++) {
        if (plan->mounts.items[i].kind == MOUNT_BIND && prepare_bind(plan, i, scratch, failure) < 0)
            return -1;
    }
    return 0;
}

/** What a less privileged mount namespace has inherited is locked: it can be copied, and the copy is free. */
int inner_claim_root(const struct scratch *scratch, struct failure *failure) {
    auto_close int place = open(scratch->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    auto_close int tree = place < 0 ? -1 : sys_open_tree(place, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
    if (tree < 0 || sys_move_mount(tree, place, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "root", errno, "%s", scratch->root);
    return take_fd(&tree);
}

int inner_become_root(const struct id_map *map, struct failure *failure) {
    if (!map->keep_groups)
        setgroups(0, NULL); /* EPERM where setgroups is denied: the groups stay, unmapped */
    if (setresgid(0, 0, 0) < 0 || setresuid(0, 0, 0) < 0)
        return fail(failure, "userns", errno, "uid 0 of the container");
    /* A change of credentials clears the death signal. */
    return prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0 ? fail(failure, "userns", errno, "prctl") : 0;
}
