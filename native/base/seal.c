#define _GNU_SOURCE
#include "seal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "syscalls.h"

static int copy_to(int from, int to) {
    struct stat status;
    if (fstat(from, &status) < 0)
        return -1;
    for (off_t left = status.st_size; left > 0;) {
        ssize_t sent = sendfile(to, from, NULL, (size_t)left);
        if (sent <= 0)
            return -1;
        left -= sent;
    }
    return 0;
}

static int sealed_copy(int self) {
    const int seals = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
    auto_close int copy = memfd_create("coracle-sv", MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_EXEC);
    if (copy < 0 && errno == EINVAL) /* before 6.3 every memfd may be executed */
        copy = memfd_create("coracle-sv", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (copy < 0 || copy_to(self, copy) < 0 || fcntl(copy, F_ADD_SEALS, seals) < 0)
        return -1;
    return take_fd(&copy);
}

/** Where vm.memfd_noexec forbids executable memfds: a file without a name, which only lives as long as we do. */
static int unnamed_copy(int self) {
    auto_close int file = open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0500);
    if (file < 0 || copy_to(self, file) < 0)
        return -1;
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    return open(path, O_RDONLY | O_CLOEXEC); /* a file open for writing cannot be executed */
}

int seal_self(char *const *arguments, struct failure *failure) {
    char *const environment[] = {NULL};
    struct stat status;
    auto_close int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (self < 0 || fstat(self, &status) < 0)
        return fail(failure, "seal", errno, "/proc/self/exe");
    int seals = fcntl(self, F_GET_SEALS);
    if (status.st_nlink == 0 && (seals < 0 || (seals & F_SEAL_WRITE)))
        return 0;
    auto_close int copy = sealed_copy(self);
    if (copy < 0)
        copy = unnamed_copy(self);
    if (copy < 0)
        return fail(failure, "seal", errno, "copy of the program");
    syscall(SYS_execveat, copy, "", arguments, environment, AT_EMPTY_PATH);
    return fail(failure, "seal", errno, "execute the copy");
}
