/* Files in memory for the addon: sealed ones with a content, and ones shared with another program. */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int write_all(int fd, const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(fd, bytes, count);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        bytes += n;
        count -= (size_t)n;
    }
    return 0;
}

napi_value addon_memfd(napi_env env, napi_callback_info info)
{
    napi_value args[2];
    char name[64];
    void *bytes;
    size_t count;
    if (!addon_arguments(env, info, args, 2) || !addon_word(env, args[0], name, sizeof name) ||
        !addon_bytes(env, args[1], &bytes, &count))
        return NULL;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return addon_throw(env, "memfd_create");
    if (write_all(fd, bytes, count) < 0 || lseek(fd, 0, SEEK_SET) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0) {
        napi_value thrown = addon_throw(env, "write");
        close(fd);
        return thrown;
    }
    return addon_number(env, fd);
}

static void unmap(napi_env env, void *bytes, void *size)
{
    (void)env;
    munmap(bytes, (size_t)size);
}

/* A Buffer over memory that others may map by the descriptor, and the descriptor; its size stays. */
static napi_value shared_pair(napi_env env, int fd, size_t size)
{
    napi_value pair, buffer;
    void *bytes = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (bytes == MAP_FAILED)
        return addon_throw(env, "mmap");
    if (napi_create_external_buffer(env, size, bytes, unmap, (void *)size, &buffer) != napi_ok) {
        munmap(bytes, size);
        errno = ENOMEM;
        return addon_throw(env, "mmap");
    }
    if (napi_create_array_with_length(env, 2, &pair) != napi_ok || napi_set_element(env, pair, 0, addon_number(env, fd)) != napi_ok ||
        napi_set_element(env, pair, 1, buffer) != napi_ok)
        return NULL;
    return pair;
}

napi_value addon_shared_memory(napi_env env, napi_callback_info info)
{
    napi_value args[2];
    char name[64];
    int64_t size;
    if (!addon_arguments(env, info, args, 2) || !addon_word(env, args[0], name, sizeof name) || !addon_int(env, args[1], &size))
        return NULL;
    int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return addon_throw(env, "memfd_create");
    napi_value pair = NULL;
    if (size <= 0)
        errno = EINVAL;
    if (size <= 0 || ftruncate(fd, size) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
        addon_throw(env, "ftruncate");
    else
        pair = shared_pair(env, fd, (size_t)size);
    if (!pair)
        close(fd);
    return pair;
}
