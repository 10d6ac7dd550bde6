/*
 * coracle-gzip.node: gzip members made by libdeflate on the threads of Node's pool (PROTOCOL.md section 5). An addon of its own,
 * so that commands that compress nothing do not load it. Errors are as in addon.c.
 */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <libdeflate.h>
#include <stdlib.h>

struct job {
    napi_async_work work;
    napi_deferred deferred;
    /* Keeps the input alive. */
    napi_ref input;
    const void *bytes;
    size_t count;
    int level;
    void *packed;
    size_t size;
};

static void pack(napi_env env, void *data)
{
    (void)env;
    struct job *job = data;
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor(job->level);
    size_t room = compressor ? libdeflate_gzip_compress_bound(compressor, job->count) : 0;
    job->packed = compressor ? malloc(room) : NULL;
    if (job->packed)
        job->size = libdeflate_gzip_compress(compressor, job->bytes, job->count, job->packed, room);
    if (compressor)
        libdeflate_free_compressor(compressor);
}

/* The bound always suffices, so nothing packed means no memory. */
static napi_value result_of(napi_env env, const struct job *job)
{
    napi_value result;
    if (job->size == 0) {
        errno = ENOMEM;
        addon_throw(env, "gzip");
        return NULL;
    }
    return napi_create_buffer_copy(env, job->size, job->packed, NULL, &result) == napi_ok ? result : NULL;
}

static void finish(napi_env env, napi_status status, void *data)
{
    struct job *job = data;
    napi_value result = status == napi_ok ? result_of(env, job) : NULL;
    napi_value error;
    if (result)
        napi_resolve_deferred(env, job->deferred, result);
    else if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
        napi_reject_deferred(env, job->deferred, error);
    napi_delete_reference(env, job->input);
    napi_delete_async_work(env, job->work);
    free(job->packed);
    free(job);
}

/* Owned; NULL with an exception pending. */
static struct job *take_job(napi_env env, napi_value input, napi_value level)
{
    void *bytes;
    size_t count;
    int64_t wanted;
    if (!addon_bytes(env, input, &bytes, &count) || !addon_int(env, level, &wanted))
        return NULL;
    if (wanted < 0 || wanted > 12) {
        errno = EINVAL;
        addon_throw(env, "gzip");
        return NULL;
    }
    struct job *job = calloc(1, sizeof *job);
    if (!job) {
        addon_throw(env, "gzip");
        return NULL;
    }
    *job = (struct job){.bytes = bytes, .count = count, .level = (int)wanted};
    return job;
}

static napi_value call_gzip(napi_env env, napi_callback_info info)
{
    napi_value args[2], promise, name;
    if (!addon_arguments(env, info, args, 2))
        return NULL;
    struct job *job = take_job(env, args[0], args[1]);
    if (!job)
        return NULL;
    if (napi_create_reference(env, args[0], 1, &job->input) == napi_ok &&
        napi_create_string_utf8(env, "gzip", NAPI_AUTO_LENGTH, &name) == napi_ok &&
        napi_create_async_work(env, NULL, name, pack, finish, job, &job->work) == napi_ok &&
        napi_create_promise(env, &job->deferred, &promise) == napi_ok && napi_queue_async_work(env, job->work) == napi_ok)
        return promise;
    if (job->work)
        napi_delete_async_work(env, job->work);
    if (job->input)
        napi_delete_reference(env, job->input);
    free(job);
    errno = ENOMEM;
    return addon_throw(env, "gzip");
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    napi_value function, version;
    bool made = napi_create_function(env, "gzip", NAPI_AUTO_LENGTH, call_gzip, NULL, &function) == napi_ok &&
                napi_set_named_property(env, exports, "gzip", function) == napi_ok &&
                napi_create_string_utf8(env, LIBDEFLATE_VERSION_STRING, NAPI_AUTO_LENGTH, &version) == napi_ok &&
                napi_set_named_property(env, exports, "version", version) == napi_ok;
    return made ? exports : NULL;
}
