#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/syscalls.h"
#include "files/paths.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

int terminal_resize(int master, unsigned rows, unsigned columns) {
    struct winsize size = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
    return ioctl(master, TIOCSWINSZ, &size);
}

static int open_master(int root, struct failure *failure) {
    struct statfs status;
    int unlocked = 0;
    auto_close int directory = path_open(root, "dev/pts", PATH_STRICT);
    if (directory < 0 || fstatfs(directory, &status) < 0)
        return fail(failure, "tty", errno, "/dev/pts");
    if (status.f_type != DEVPTS_SUPER_MAGIC)
        return fail(failure, "tty", ENODEV, "/dev/pts is no devpts");
    auto_close int master = sys_openat2(directory, "ptmx", O_RDWR | O_NOCTTY, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_XDEV);
    if (master < 0 || ioctl(master, TIOCSPTLCK, &unlocked) < 0)
        return fail(failure, "tty", errno, "/dev/pts/ptmx");
    return take_fd(&master);
}

int terminal_open(int root, unsigned rows, unsigned columns, uid_t owner, struct terminal *terminal, struct failure *failure) {
    auto_close int master = open_master(root, failure);
    if (master < 0)
        return -1;
    auto_close int peer = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (peer < 0)
        return fail(failure, "tty", errno, "TIOCGPTPEER");
    if ((rows > 0 || columns > 0) && terminal_resize(master, rows, columns) < 0)
        return fail(failure, "tty", errno, "size %ux%u", rows, columns);
    if (fchown(peer, owner, (gid_t)-1) < 0)
        return fail(failure, "tty", errno, "owner %u", (unsigned)owner);
    terminal->master = take_fd(&master);
    terminal->peer = take_fd(&peer);
    return 0;
}

int terminal_console(int root, int peer, struct failure *failure) {
    auto_close int target = path_create(root, "dev/console", PATH_STRICT, PATH_FILE);
    auto_close int tree = target < 0 ? -1 : sys_open_tree(peer, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);
    if (tree < 0 || sys_move_mount(tree, target, "", MOVE_MOUNT_T_EMPTY_PATH) < 0)
        return fail(failure, "tty", errno, "/dev/console");
    return 0;
}
