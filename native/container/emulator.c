#define _GNU_SOURCE
#include "emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "files/mounts.h"

int emulator_register(const struct plan *plan, int *mount, struct failure *failure) {
    *mount = -1;
    if (!plan->binfmt)
        return 0;
    auto_close int made = mount_new("binfmt_misc", MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, NULL);
    if (made < 0)
        return fail(failure, "binfmt", errno, "binfmt_misc");
    auto_close int file = openat(made, "register", O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    size_t length = strlen(plan->binfmt);
    /* the kernel reads one registration from one write */
    if (file < 0 || write(file, plan->binfmt, length) != (ssize_t)length)
        return fail(failure, "binfmt", errno, "%s", plan->binfmt);
    *mount = take_fd(&made);
    return 0;
}
