/*
 * coracle-gzip.node: gzip members made by libdeflate on the threads of Node's pool (PROTOCOL.md section 5). An addon of its own,
 * so that commands that compress nothing do not load it.
 */
#define _GNU_SOURCE
#include "work.h"

#include <libdeflate.h>
#include <stdlib.h>

/* The bound always suffices, so nothing packed means no memory. */
static void pack(struct work *work)
{
    struct libdeflate_compressor *compressor = libdeflate_alloc_compressor((int)work->option);
    size_t room = compressor ? libdeflate_gzip_compress_bound(compressor, work->count) : 0;
    work->made = compressor ? malloc(room) : NULL;
    if (work->made)
        work->size = libdeflate_gzip_compress(compressor, work->bytes, work->count, work->made, room);
    if (compressor)
        libdeflate_free_compressor(compressor);
}

static napi_value call_gzip(napi_env env, napi_callback_info info)
{
    return work_start(env, info, "gzip", 0, 12, pack);
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
