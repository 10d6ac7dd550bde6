/*
 * What the files of the addon share: arguments out of JavaScript, answers into it, thrown errors.
 * The argument readers throw a TypeError and return false or NULL when the value has another type.
 */
#ifndef CORACLE_ADDON_H
#define CORACLE_ADDON_H

#ifndef NAPI_VERSION
#define NAPI_VERSION 8
#endif
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLEANUP_FREE __attribute__((cleanup(addon_free)))
#define CLEANUP_FD __attribute__((cleanup(addon_close)))

void addon_free(void *pointer);
void addon_close(const int *fd);

/* Fills `args` with exactly `count` values; missing ones are undefined. */
bool addon_arguments(napi_env env, napi_callback_info info, napi_value *args, size_t count);
bool addon_int(napi_env env, napi_value value, int64_t *out);
/* Undefined counts as false. */
bool addon_flag(napi_env env, napi_value value, bool *out);
/* A short string into a fixed buffer; longer ones are refused. */
bool addon_word(napi_env env, napi_value value, char *out, size_t size);
/* owned; a NUL inside is refused. */
char *addon_string(napi_env env, napi_value value);
/* Borrowed from the Buffer. */
bool addon_bytes(napi_env env, napi_value value, void **bytes, size_t *count);
/* NULL-terminated, owned: addon_free_strings. */
char **addon_strings(napi_env env, napi_value value);
void addon_free_strings(char ***strings);

napi_value addon_boolean(napi_env env, bool value);
napi_value addon_number(napi_env env, int64_t value);
napi_value addon_pair(napi_env env, int64_t first, int64_t second);
/* Throws errno as an Error with code, errno and syscall; always NULL. */
napi_value addon_throw(napi_env env, const char *call);

/*
 * Queues work on a thread of Node's pool: the promise that `complete` settles by `deferred`, before it deletes `handle`.
 * NULL with an exception pending and `handle` NULL when nothing was queued.
 */
struct addon_work {
    napi_async_work handle;
    napi_deferred deferred;
};
napi_value addon_queue(napi_env env, const char *name, napi_async_execute_callback execute, napi_async_complete_callback complete, void *data, struct addon_work *work);

napi_value addon_execve(napi_env env, napi_callback_info info);
napi_value addon_spawn(napi_env env, napi_callback_info info);
napi_value addon_waitpid(napi_env env, napi_callback_info info);
napi_value addon_memfd(napi_env env, napi_callback_info info);
napi_value addon_shared_memory(napi_env env, napi_callback_info info);
napi_value addon_syncfs(napi_env env, napi_callback_info info);
napi_value addon_syncfs_later(napi_env env, napi_callback_info info);

#endif
