/*
 * coracle-expand.node: a stream's bytes into memory of the caller, gzip expanded on the way, and their SHA-256, on the threads of
 * Node's pool (PROTOCOL.md section 5). zlib and OpenSSL are those that Node itself has and exports for addons: its zlib is the
 * fastest that streams. An addon of its own, so that commands that unpack nothing do not load it.
 */
#define _GNU_SOURCE
#include "addon.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* zlib.h's z_stream and what is used with it, https://zlib.net/manual.html: the layout has not changed since 1.2. */
struct stream {
    const unsigned char *next_in;
    unsigned avail_in;
    unsigned long total_in;
    unsigned char *next_out;
    unsigned avail_out;
    unsigned long total_out;
    const char *message;
    void *state;
    void *(*allocate)(void *, unsigned, unsigned);
    void (*release)(void *, void *);
    void *opaque;
    int data_type;
    unsigned long adler, reserved;
};
enum { Z_NO_FLUSH = 0, Z_OK = 0, Z_STREAM_END = 1, Z_BUF_ERROR = -5, GZIP_WINDOW = 15 + 16 };

/* Weak: where a Node has them not, the stream is refused and JavaScript does it. */
#define IMPORTED extern __attribute__((weak))
IMPORTED const char *zlibVersion(void);
IMPORTED int inflateInit2_(struct stream *stream, int window, const char *version, int size);
IMPORTED int inflate(struct stream *stream, int flush);
IMPORTED int inflateReset(struct stream *stream);
IMPORTED int inflateEnd(struct stream *stream);
IMPORTED void *EVP_MD_CTX_new(void);
IMPORTED void EVP_MD_CTX_free(void *context);
IMPORTED const void *EVP_sha256(void);
IMPORTED int EVP_DigestInit_ex(void *context, const void *type, void *engine);
IMPORTED int EVP_DigestUpdate(void *context, const void *bytes, size_t count);
IMPORTED int EVP_DigestFinal_ex(void *context, unsigned char *digest, unsigned *size);

enum { DIGEST = 32, MESSAGE = 64 };

/* One stream. `begun` inside a gzip member, `between` from the end of one to the first byte of the next; `busy` while a thread has it. */
struct expansion {
    struct stream zlib;
    void *hash;
    bool gzip, begun, between, busy;
};

/* One step of it: from `in` to `out`, as much as fits and is there. */
struct step {
    struct addon_work work;
    /* Keeps the stream and both Buffers alive. */
    napi_ref kept;
    struct expansion *expansion;
    const unsigned char *in;
    unsigned char *out;
    size_t in_size, out_size;
    size_t used, made;
    char message[MESSAGE];
};

static bool is_complete(void)
{
    return zlibVersion && inflateInit2_ && inflate && inflateReset && inflateEnd && EVP_MD_CTX_new && EVP_MD_CTX_free && EVP_sha256 &&
           EVP_DigestInit_ex && EVP_DigestUpdate && EVP_DigestFinal_ex;
}

static void release(napi_env env, void *data, void *hint)
{
    (void)env;
    (void)hint;
    struct expansion *expansion = data;
    if (expansion->zlib.state)
        inflateEnd(&expansion->zlib);
    if (expansion->hash)
        EVP_MD_CTX_free(expansion->hash);
    free(expansion);
}

static struct expansion *create(bool gzip)
{
    struct expansion *expansion = calloc(1, sizeof *expansion);
    if (!expansion)
        return NULL;
    expansion->gzip = gzip;
    expansion->hash = EVP_MD_CTX_new();
    bool ready = expansion->hash && EVP_DigestInit_ex(expansion->hash, EVP_sha256(), NULL) == 1 &&
                 (!gzip || inflateInit2_(&expansion->zlib, GZIP_WINDOW, zlibVersion(), (int)sizeof expansion->zlib) == Z_OK);
    if (ready)
        return expansion;
    release(NULL, expansion, NULL);
    return NULL;
}

static napi_value call_begin(napi_env env, napi_callback_info info)
{
    napi_value args[1], result;
    bool gzip;
    if (!addon_arguments(env, info, args, 1) || !addon_flag(env, args[0], &gzip))
        return NULL;
    errno = ENOSYS;
    if (!is_complete())
        return addon_throw(env, "expand");
    struct expansion *expansion = create(gzip);
    errno = ENOMEM;
    if (!expansion)
        return addon_throw(env, "expand");
    if (napi_create_external(env, expansion, release, NULL, &result) == napi_ok)
        return result;
    release(env, expansion, NULL);
    return addon_throw(env, "expand");
}

/* Members follow one another; what follows the last one and is none is damage. */
static bool expand(struct step *step)
{
    struct expansion *expansion = step->expansion;
    struct stream *zlib = &expansion->zlib;
    zlib->next_in = step->in;
    zlib->avail_in = (unsigned)step->in_size;
    zlib->next_out = step->out;
    zlib->avail_out = (unsigned)step->out_size;
    for (;;) {
        bool more = zlib->avail_in > 0 || expansion->begun;
        int result = more && zlib->avail_out > 0 ? inflate(zlib, Z_NO_FLUSH) : Z_BUF_ERROR;
        if (result == Z_BUF_ERROR)
            break;
        expansion->begun = result != Z_STREAM_END;
        if (result == Z_STREAM_END && inflateReset(zlib) == Z_OK) {
            expansion->between = true;
            continue;
        }
        if (result != Z_OK) {
            const char *reason = zlib->message ? zlib->message : "it cannot be expanded";
            strncpy(step->message, expansion->between ? "data follows its end" : reason, MESSAGE - 1);
            return false;
        }
        expansion->between = expansion->between && zlib->total_out == 0;
        if (zlib->avail_in == 0 && zlib->avail_out > 0)
            break;
    }
    step->used = step->in_size - zlib->avail_in;
    step->made = step->out_size - zlib->avail_out;
    return true;
}

static void copy(struct step *step)
{
    step->used = step->made = step->in_size < step->out_size ? step->in_size : step->out_size;
    memcpy(step->out, step->in, step->made);
}

static void execute(napi_env env, void *data)
{
    struct step *step = data;
    (void)env;
    if (step->expansion->gzip && !expand(step))
        return;
    if (!step->expansion->gzip)
        copy(step);
    if (EVP_DigestUpdate(step->expansion->hash, step->out, step->made) != 1)
        strcpy(step->message, "it cannot be hashed");
}

static napi_value answer(napi_env env, const struct step *step)
{
    napi_value array;
    if (napi_create_array_with_length(env, 3, &array) != napi_ok ||
        napi_set_element(env, array, 0, addon_number(env, (int64_t)step->used)) != napi_ok ||
        napi_set_element(env, array, 1, addon_number(env, (int64_t)step->made)) != napi_ok ||
        napi_set_element(env, array, 2, addon_boolean(env, step->expansion->begun)) != napi_ok)
        return NULL;
    return array;
}

static void finish(napi_env env, napi_status status, void *data)
{
    struct step *step = data;
    napi_value result = NULL, text;
    step->expansion->busy = false;
    if (status == napi_ok && !step->message[0])
        result = answer(env, step);
    else if (napi_create_string_utf8(env, step->message[0] ? step->message : "interrupted", NAPI_AUTO_LENGTH, &text) == napi_ok)
        napi_create_error(env, NULL, text, &result);
    if (result && (step->message[0] || status != napi_ok))
        napi_reject_deferred(env, step->work.deferred, result);
    else if (result)
        napi_resolve_deferred(env, step->work.deferred, result);
    napi_delete_reference(env, step->kept);
    napi_delete_async_work(env, step->work.handle);
    free(step);
}

/* The part of a Buffer from an offset on; at most what zlib counts. */
static bool part(napi_env env, napi_value buffer, napi_value offset, unsigned char **bytes, size_t *size)
{
    void *start;
    int64_t at;
    if (!addon_bytes(env, buffer, &start, size) || !addon_int(env, offset, &at))
        return false;
    if (at < 0 || (uint64_t)at > *size || *size > INT32_MAX) {
        errno = EINVAL;
        addon_throw(env, "expand");
        return false;
    }
    *bytes = (unsigned char *)start + at;
    *size -= (size_t)at;
    return true;
}

static bool keep(napi_env env, const napi_value *args, struct step *step)
{
    napi_value array;
    return napi_create_array_with_length(env, 3, &array) == napi_ok && napi_set_element(env, array, 0, args[0]) == napi_ok &&
           napi_set_element(env, array, 1, args[1]) == napi_ok && napi_set_element(env, array, 2, args[3]) == napi_ok &&
           napi_create_reference(env, array, 1, &step->kept) == napi_ok;
}

static napi_value start(napi_env env, const napi_value *args, const struct step *wanted)
{
    struct step *step = malloc(sizeof *step);
    errno = ENOMEM;
    if (!step)
        return addon_throw(env, "expand");
    *step = *wanted;
    napi_value promise = keep(env, args, step) ? addon_queue(env, "expand", execute, finish, step, &step->work) : addon_throw(env, "expand");
    if (promise) {
        step->expansion->busy = true;
        return promise;
    }
    if (step->kept)
        napi_delete_reference(env, step->kept);
    free(step);
    return NULL;
}

static struct expansion *expansion_of(napi_env env, napi_value value)
{
    void *expansion = NULL;
    if (napi_get_value_external(env, value, &expansion) != napi_ok || !expansion)
        napi_throw_type_error(env, "ERR_INVALID_ARG_TYPE", "call native function: argument is not a stream");
    return expansion;
}

static napi_value call_expand(napi_env env, napi_callback_info info)
{
    napi_value args[5];
    struct step step = {0};
    unsigned char *in;
    if (!addon_arguments(env, info, args, 5) || !(step.expansion = expansion_of(env, args[0])) ||
        !part(env, args[1], args[2], &in, &step.in_size) || !part(env, args[3], args[4], &step.out, &step.out_size))
        return NULL;
    step.in = in;
    errno = EBUSY;
    return step.expansion->busy ? addon_throw(env, "expand") : start(env, args, &step);
}

/* Once, at the end. */
static napi_value call_digest(napi_env env, napi_callback_info info)
{
    napi_value args[1], result;
    unsigned char digest[DIGEST];
    unsigned size = 0;
    struct expansion *expansion;
    if (!addon_arguments(env, info, args, 1) || !(expansion = expansion_of(env, args[0])))
        return NULL;
    errno = expansion->busy ? EBUSY : EINVAL;
    if (expansion->busy || EVP_DigestFinal_ex(expansion->hash, digest, &size) != 1)
        return addon_throw(env, "expand");
    return napi_create_buffer_copy(env, size, digest, NULL, &result) == napi_ok ? result : NULL;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    const napi_property_descriptor calls[] = {
        {"begin", NULL, call_begin, NULL, NULL, NULL, napi_enumerable, NULL},
        {"expand", NULL, call_expand, NULL, NULL, NULL, napi_enumerable, NULL},
        {"digest", NULL, call_digest, NULL, NULL, NULL, napi_enumerable, NULL},
    };
    return napi_define_properties(env, exports, sizeof calls / sizeof *calls, calls) == napi_ok ? exports : NULL;
}
