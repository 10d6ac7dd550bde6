/* Calls whose work is done on the threads of Node's pool (work.h). Errors are as in addon.c. */
#define _GNU_SOURCE
#include "work.h"

#include <errno.h>
#include <stdlib.h>

static void execute(napi_env env, void *data)
{
    (void)env;
    struct work *work = data;
    work->run(work);
}

static void release(napi_env env, void *bytes, void *hint)
{
    (void)env;
    (void)hint;
    free(bytes);
}

/* The Buffer has what was made, without a copy; what there was room for besides goes back. */
static napi_value result_of(napi_env env, struct work *work)
{
    napi_value result;
    if (!work->made) {
        errno = work->failure ? work->failure : ENOMEM;
        addon_throw(env, "compress");
        return NULL;
    }
    if (work->size == 0)
        return napi_create_buffer(env, 0, NULL, &result) == napi_ok ? result : NULL;
    void *fitting = realloc(work->made, work->size);
    if (fitting)
        work->made = fitting;
    if (napi_create_external_buffer(env, work->size, work->made, release, NULL, &result) != napi_ok)
        return NULL;
    work->made = NULL;
    return result;
}

static void finish(napi_env env, napi_status status, void *data)
{
    struct work *work = data;
    napi_value result = status == napi_ok ? result_of(env, work) : NULL;
    napi_value error;
    if (result)
        napi_resolve_deferred(env, work->queued.deferred, result);
    else if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
        napi_reject_deferred(env, work->queued.deferred, error);
    napi_delete_reference(env, work->input);
    napi_delete_async_work(env, work->queued.handle);
    free(work->made);
    free(work);
}

/* Owned; NULL with an exception pending. */
static struct work *take(napi_env env, const napi_value *args, const char *name, int64_t least, int64_t most)
{
    void *bytes;
    size_t count;
    int64_t option;
    if (!addon_bytes(env, args[0], &bytes, &count) || !addon_int(env, args[1], &option))
        return NULL;
    if (option < least || option > most) {
        errno = EINVAL;
        addon_throw(env, name);
        return NULL;
    }
    struct work *work = calloc(1, sizeof *work);
    if (!work) {
        addon_throw(env, name);
        return NULL;
    }
    *work = (struct work){.bytes = bytes, .count = count, .option = option};
    return work;
}

napi_value work_start(napi_env env, napi_callback_info info, const char *name, int64_t least, int64_t most, void (*run)(struct work *work))
{
    napi_value args[2];
    if (!addon_arguments(env, info, args, 2))
        return NULL;
    struct work *work = take(env, args, name, least, most);
    if (!work)
        return NULL;
    work->run = run;
    errno = ENOMEM;
    bool kept = napi_create_reference(env, args[0], 1, &work->input) == napi_ok;
    napi_value promise = kept ? addon_queue(env, name, execute, finish, work, &work->queued) : addon_throw(env, name);
    if (promise)
        return promise;
    if (work->input)
        napi_delete_reference(env, work->input);
    free(work);
    return NULL;
}
