/*
 * coracle-frames.node: single zstd frames made and expanded on the threads of Node's pool, and the checksum of tar-split
 * (PROTOCOL.md section 5). Loaded only by what reads or writes layers with a table of contents.
 */
#define _GNU_SOURCE
#include "work.h"

#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

static void compress(struct work *work)
{
    size_t room = ZSTD_compressBound(work->count);
    work->made = malloc(room);
    size_t size = work->made ? ZSTD_compress(work->made, room, work->bytes, work->count, (int)work->option) : 0;
    if (!ZSTD_isError(size)) {
        work->size = size;
        return;
    }
    work->failure = EIO;
    addon_free(&work->made);
    work->made = NULL;
}

/* Bytes to begin with where frames do not say how much they hold. */
enum { FIRST_ROOM = 256 << 10 };

/* Makes room for more; false when there is none, or more than the limit would be needed. */
static bool grow(struct work *work, ZSTD_outBuffer *out)
{
    size_t limit = (size_t)work->option;
    if (out->size >= limit) {
        work->failure = EFBIG;
        return false;
    }
    size_t room = out->size ? out->size * 2 : FIRST_ROOM;
    room = room > limit ? limit : room;
    void *larger = realloc(out->dst, room);
    if (!larger)
        return false;
    out->dst = larger;
    out->size = room;
    return true;
}

/* Frames one after the other; a truncated one is damage. */
static void expand(struct work *work)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    ZSTD_inBuffer in = {work->bytes, work->count, 0};
    ZSTD_outBuffer out = {NULL, 0, 0};
    size_t left = 1;
    bool sound = context != NULL;
    while (sound && (in.pos < in.size || left > 0)) {
        if (out.pos == out.size && !(sound = grow(work, &out)))
            break;
        size_t before = in.pos, made = out.pos;
        left = ZSTD_decompressStream(context, &out, &in);
        sound = !ZSTD_isError(left) && (in.pos > before || out.pos > made || out.pos == out.size);
        if (!sound)
            work->failure = EIO;
    }
    ZSTD_freeDCtx(context);
    if (sound) {
        work->made = out.dst;
        work->size = out.pos;
    } else {
        free(out.dst);
    }
}

static napi_value call_compress(napi_env env, napi_callback_info info)
{
    return work_start(env, info, "zstd", 1, ZSTD_maxCLevel(), compress);
}

static napi_value call_expand(napi_env env, napi_callback_info info)
{
    return work_start(env, info, "zstd", 1, INT32_MAX, expand);
}

/* CRC-64 of ISO 3309, reflected, eight bytes a step. */
static uint64_t table[8][256];

static void fill_table(void)
{
    for (unsigned i = 0; i < 256; i++) {
        uint64_t value = i;
        for (int bit = 0; bit < 8; bit++)
            value = value & 1 ? value >> 1 ^ 0xd800000000000000u : value >> 1;
        table[0][i] = value;
    }
    for (unsigned i = 0; i < 256; i++)
        for (int k = 1; k < 8; k++)
            table[k][i] = table[0][table[k - 1][i] & 255] ^ table[k - 1][i] >> 8;
}

static uint64_t checksum(uint64_t value, const unsigned char *at, size_t count)
{
    value = ~value;
    for (; count >= 8; at += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, at, sizeof word);
        value ^= le64toh(word);
        value = table[7][value & 255] ^ table[6][value >> 8 & 255] ^ table[5][value >> 16 & 255] ^ table[4][value >> 24 & 255] ^
                table[3][value >> 32 & 255] ^ table[2][value >> 40 & 255] ^ table[1][value >> 48 & 255] ^ table[0][value >> 56];
    }
    for (; count > 0; at++, count--)
        value = table[0][(value ^ *at) & 255] ^ value >> 8;
    return ~value;
}

/* (sum of the bytes before as 8 bytes, bytes): the sum of all, big-endian. */
static napi_value call_checksum(napi_env env, napi_callback_info info)
{
    napi_value args[2], result;
    void *before, *bytes;
    size_t size, count;
    if (!addon_arguments(env, info, args, 2) || !addon_bytes(env, args[0], &before, &size) || !addon_bytes(env, args[1], &bytes, &count))
        return NULL;
    if (size != 8) {
        errno = EINVAL;
        return addon_throw(env, "crc64");
    }
    uint64_t value = 0;
    unsigned char sum[8];
    for (int i = 0; i < 8; i++)
        value = value << 8 | ((const unsigned char *)before)[i];
    value = checksum(value, bytes, count);
    for (int i = 7; i >= 0; i--, value >>= 8)
        sum[i] = (unsigned char)value;
    return napi_create_buffer_copy(env, sizeof sum, sum, NULL, &result) == napi_ok ? result : NULL;
}

static bool add(napi_env env, napi_value exports, const char *name, napi_callback call)
{
    napi_value function;
    return napi_create_function(env, name, NAPI_AUTO_LENGTH, call, NULL, &function) == napi_ok &&
           napi_set_named_property(env, exports, name, function) == napi_ok;
}

__attribute__((visibility("default"))) napi_value napi_register_module_v1(napi_env env, napi_value exports);

napi_value napi_register_module_v1(napi_env env, napi_value exports)
{
    napi_value version;
    fill_table();
    bool made = add(env, exports, "compress", call_compress) && add(env, exports, "expand", call_expand) &&
                add(env, exports, "crc64", call_checksum) &&
                napi_create_string_utf8(env, ZSTD_versionString(), NAPI_AUTO_LENGTH, &version) == napi_ok &&
                napi_set_named_property(env, exports, "version", version) == napi_ok;
    return made ? exports : NULL;
}
