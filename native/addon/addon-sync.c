/* Syncing file systems: at once, or on a thread of Node's pool. Errors are as in addon.c. */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct sync
{
    struct addon_work work;
    int fd;
    int failure;
};

napi_value addon_syncfs(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    int64_t fd;
    if (!addon_arguments(env, info, args, 1) || !addon_int(env, args[0], &fd))
        return NULL;
    return syncfs((int)fd) < 0 ? addon_throw(env, "syncfs") : NULL;
}

static void execute(napi_env env, void *data)
{
    struct sync *sync = data;
    (void)env;
    sync->failure = syncfs(sync->fd) < 0 ? errno : 0;
}

static void release(napi_env env, struct sync *sync)
{
    if (sync->work.handle)
        napi_delete_async_work(env, sync->work.handle);
    if (sync->fd >= 0)
        close(sync->fd);
    free(sync);
}

static void finish(napi_env env, napi_status status, void *data)
{
    struct sync *sync = data;
    napi_value value;
    int failure = status == napi_ok ? sync->failure : ECANCELED;
    if (failure) {
        errno = failure;
        addon_throw(env, "syncfs");
    }
    if (failure && napi_get_and_clear_last_exception(env, &value) == napi_ok)
        napi_reject_deferred(env, sync->work.deferred, value);
    else if (!failure && napi_get_undefined(env, &value) == napi_ok)
        napi_resolve_deferred(env, sync->work.deferred, value);
    release(env, sync);
}

napi_value addon_syncfs_later(napi_env env, napi_callback_info info)
{
    napi_value args[1];
    int64_t fd;
    if (!addon_arguments(env, info, args, 1) || !addon_int(env, args[0], &fd))
        return NULL;
    struct sync *sync = calloc(1, sizeof *sync);
    if (!sync)
        return addon_throw(env, "syncfs");
    /* One of its own: the caller may close the other meanwhile. */
    sync->fd = fcntl((int)fd, F_DUPFD_CLOEXEC, 3);
    napi_value promise = sync->fd < 0 ? addon_throw(env, "syncfs") : addon_queue(env, "syncfs", execute, finish, sync, &sync->work);
    if (!promise)
        release(env, sync);
    return promise;
}
