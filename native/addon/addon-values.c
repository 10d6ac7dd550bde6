/* Values between JavaScript and C for the addon: arguments in, answers and errors out. */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAXIMUM_STRING = 1 << 20 };

void addon_free(void *pointer)
{
    free(*(void **)pointer);
}

void addon_close(const int *fd)
{
    int saved = errno;
    if (*fd >= 0)
        close(*fd);
    errno = saved;
}

bool addon_arguments(napi_env env, napi_callback_info info, napi_value *args, size_t count)
{
    return napi_get_cb_info(env, info, &count, args, NULL, NULL) == napi_ok;
}

static bool type_error(napi_env env, const char *wanted)
{
    char message[80];
    snprintf(message, sizeof message, "call native function: argument is not %s", wanted);
    napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", message);
    return false;
}

bool addon_int(napi_env env, napi_value value, int64_t *out)
{
    return napi_get_value_int64(env, value, out) == napi_ok || type_error(env, "a number");
}

bool addon_flag(napi_env env, napi_value value, bool *out)
{
    napi_valuetype type;
    *out = false;
    if (napi_typeof(env, value, &type) == napi_ok && type == napi_undefined)
        return true;
    return napi_get_value_bool(env, value, out) == napi_ok || type_error(env, "a boolean");
}

bool addon_word(napi_env env, napi_value value, char *out, size_t size)
{
    size_t length;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) != napi_ok || length >= size)
        return type_error(env, "a short string");
    return napi_get_value_string_utf8(env, value, out, size, &length) == napi_ok;
}

char *addon_string(napi_env env, napi_value value)
{
    size_t length;
    char *text = NULL;
    if (napi_get_value_string_utf8(env, value, NULL, 0, &length) == napi_ok && length <= MAXIMUM_STRING &&
        (text = malloc(length + 1)) && napi_get_value_string_utf8(env, value, text, length + 1, &length) == napi_ok &&
        strlen(text) == length)
        return text;
    free(text);
    type_error(env, "a string without NUL");
    return NULL;
}

bool addon_bytes(napi_env env, napi_value value, void **bytes, size_t *count)
{
    return napi_get_buffer_info(env, value, bytes, count) == napi_ok || type_error(env, "a Buffer");
}

char **addon_strings(napi_env env, napi_value value)
{
    uint32_t count;
    if (napi_get_array_length(env, value, &count) != napi_ok || count > MAXIMUM_STRING) {
        type_error(env, "an array of strings");
        return NULL;
    }
    char **strings = calloc(count + 1, sizeof *strings);
    for (uint32_t i = 0; strings && i < count; i++) {
        napi_value element;
        if (napi_get_element(env, value, i, &element) != napi_ok || !(strings[i] = addon_string(env, element)))
            addon_free_strings(&strings);
    }
    return strings;
}

void addon_free_strings(char ***strings)
{
    for (char **string = *strings; string && *string; string++)
        free(*string);
    free(*strings);
    *strings = NULL;
}

napi_value addon_boolean(napi_env env, bool value)
{
    napi_value result;
    return napi_get_boolean(env, value, &result) == napi_ok ? result : NULL;
}

napi_value addon_number(napi_env env, int64_t value)
{
    napi_value result;
    return napi_create_int64(env, value, &result) == napi_ok ? result : NULL;
}

napi_value addon_pair(napi_env env, int64_t first, int64_t second)
{
    napi_value pair;
    if (napi_create_array_with_length(env, 2, &pair) != napi_ok ||
        napi_set_element(env, pair, 0, addon_number(env, first)) != napi_ok ||
        napi_set_element(env, pair, 1, addon_number(env, second)) != napi_ok)
        return NULL;
    return pair;
}

/* strerrorname_np would bind the addon to glibc 2.32. */
static const char *errno_name(int number)
{
#define NAME(e) {e, #e}
    static const struct {
        int number;
        const char *name;
    } names[] = {
        NAME(EPERM),  NAME(ENOENT),  NAME(ESRCH),        NAME(EINTR),        NAME(EIO),         NAME(ENXIO),
        NAME(E2BIG),  NAME(ENOEXEC), NAME(EBADF),        NAME(ECHILD),       NAME(EAGAIN),      NAME(ENOMEM),
        NAME(EACCES), NAME(EFAULT),  NAME(EBUSY),        NAME(EEXIST),       NAME(EXDEV),       NAME(ENODEV),
        NAME(ENOTDIR), NAME(EISDIR), NAME(EINVAL),       NAME(ENFILE),       NAME(EMFILE),      NAME(ENOTTY),
        NAME(ETXTBSY), NAME(EFBIG),  NAME(ENOSPC),       NAME(ESPIPE),       NAME(EROFS),       NAME(EMLINK),
        NAME(EPIPE),  NAME(ERANGE),  NAME(ENAMETOOLONG), NAME(ENOSYS),       NAME(ENOTEMPTY),   NAME(ELOOP),
        NAME(ENODATA), NAME(EOPNOTSUPP), NAME(ECONNREFUSED), NAME(ECONNRESET), NAME(ETIMEDOUT), NAME(ENOLCK),
        NAME(EPROTOTYPE), NAME(ENOBUFS), NAME(EDQUOT),   NAME(ESTALE),       NAME(EOVERFLOW),   NAME(EUSERS),
    };
#undef NAME
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].number == number)
            return names[i].name;
    return "UNKNOWN";
}

static bool set_text(napi_env env, napi_value object, const char *key, const char *text)
{
    napi_value value;
    return napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value) == napi_ok &&
           napi_set_named_property(env, object, key, value) == napi_ok;
}

napi_value addon_throw(napi_env env, const char *call)
{
    int number = errno;
    char message[160];
    napi_value text, error;
    snprintf(message, sizeof message, "%s: %s, %s", errno_name(number), strerror(number), call);
    if (napi_create_string_utf8(env, message, NAPI_AUTO_LENGTH, &text) == napi_ok &&
        napi_create_error(env, NULL, text, &error) == napi_ok && set_text(env, error, "code", errno_name(number)) &&
        set_text(env, error, "syscall", call) &&
        napi_set_named_property(env, error, "errno", addon_number(env, number)) == napi_ok)
        napi_throw(env, error);
    return NULL;
}

napi_value addon_queue(napi_env env, const char *name, napi_async_execute_callback execute, napi_async_complete_callback complete, void *data, struct addon_work *work)
{
    napi_value promise, label;
    *work = (struct addon_work){0};
    if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &label) == napi_ok &&
        napi_create_async_work(env, NULL, label, execute, complete, data, &work->handle) == napi_ok &&
        napi_create_promise(env, &work->deferred, &promise) == napi_ok && napi_queue_async_work(env, work->handle) == napi_ok)
        return promise;
    if (work->handle)
        napi_delete_async_work(env, work->handle);
    work->handle = NULL;
    errno = ENOMEM;
    return addon_throw(env, name);
}
