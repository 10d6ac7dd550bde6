/*
 * coracle-zstd: a zstd filter from standard input to standard output, for hosts whose Node has no zstd.
 * `-d` decompresses (all frames; a window over 128 MiB is refused), `-c LEVEL` compresses.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

enum { WINDOW_LOG_MAX = 27, CHUNK = 1 << 18 };

struct filter {
    char *in;
    char *out;
};

static int fail(const char *what, const char *reason)
{
    fprintf(stderr, "coracle-zstd: %s: %s\n", what, reason);
    return 1;
}

static ssize_t read_chunk(char *bytes)
{
    ssize_t n;
    while ((n = read(STDIN_FILENO, bytes, CHUNK)) < 0 && errno == EINTR)
        continue;
    return n;
}

static int write_all(const char *bytes, size_t count)
{
    while (count > 0) {
        ssize_t n = write(STDOUT_FILENO, bytes, count);
        if (n < 0 && errno != EINTR)
            return fail("write output", strerror(errno));
        if (n > 0) {
            bytes += n;
            count -= (size_t)n;
        }
    }
    return 0;
}

/* Feeds one chunk through; `pending` is 0 when it ended exactly at the end of a frame. */
static int decompress_chunk(ZSTD_DCtx *context, struct filter *filter, size_t count, size_t *pending)
{
    ZSTD_inBuffer in = {filter->in, count, 0};
    bool more = true;
    while (more) {
        ZSTD_outBuffer out = {filter->out, CHUNK, 0};
        size_t consumed = in.pos;
        size_t left = ZSTD_decompressStream(context, &out, &in);
        if (ZSTD_isError(left))
            return fail("decompress input", ZSTD_getErrorName(left));
        /* A call that neither reads nor writes is one at the start of the next frame: the last answer stands. */
        if (in.pos > consumed || out.pos > 0)
            *pending = left;
        if (write_all(filter->out, out.pos))
            return 1;
        more = in.pos < in.size || out.pos == CHUNK;
    }
    return 0;
}

static int decompress(struct filter *filter)
{
    ZSTD_DCtx *context = ZSTD_createDCtx();
    if (!context || ZSTD_isError(ZSTD_DCtx_setParameter(context, ZSTD_d_windowLogMax, WINDOW_LOG_MAX)))
        return fail("decompress input", "out of memory");
    size_t pending = 1;
    ssize_t n;
    while ((n = read_chunk(filter->in)) > 0)
        if (decompress_chunk(context, filter, (size_t)n, &pending))
            return 1;
    if (n < 0)
        return fail("read input", strerror(errno));
    ZSTD_freeDCtx(context);
    return pending ? fail("decompress input", "it is truncated") : 0;
}

static int compress_chunk(ZSTD_CCtx *context, struct filter *filter, size_t count)
{
    ZSTD_inBuffer in = {filter->in, count, 0};
    ZSTD_EndDirective mode = count ? ZSTD_e_continue : ZSTD_e_end;
    bool more = true;
    while (more) {
        ZSTD_outBuffer out = {filter->out, CHUNK, 0};
        size_t left = ZSTD_compressStream2(context, &out, &in, mode);
        if (ZSTD_isError(left))
            return fail("compress input", ZSTD_getErrorName(left));
        if (write_all(filter->out, out.pos))
            return 1;
        more = count ? in.pos < in.size : left > 0;
    }
    return 0;
}

static int compress(struct filter *filter, int level)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    if (!context || ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, level)) ||
        ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)))
        return fail("compress input", "out of memory");
    ssize_t n;
    while ((n = read_chunk(filter->in)) > 0)
        if (compress_chunk(context, filter, (size_t)n))
            return 1;
    if (n < 0)
        return fail("read input", strerror(errno));
    int failed = compress_chunk(context, filter, 0);
    ZSTD_freeCCtx(context);
    return failed;
}

int main(int argc, char **argv)
{
    struct filter filter = {malloc(CHUNK), malloc(CHUNK)};
    if (!filter.in || !filter.out)
        return fail("start", "out of memory");
    if (argc == 2 && !strcmp(argv[1], "-d"))
        return decompress(&filter);
    char *end = NULL;
    long level = argc == 3 && !strcmp(argv[1], "-c") ? strtol(argv[2], &end, 10) : 0;
    if (end && !*end && level >= 1 && level <= ZSTD_maxCLevel())
        return compress(&filter, (int)level);
    fprintf(stderr, "coracle-zstd: usage: coracle-zstd -d | -c LEVEL (1 to %d)\n", ZSTD_maxCLevel());
    return 125;
}
