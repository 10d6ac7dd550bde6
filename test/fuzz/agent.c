/*
 * The file agent fed with frames nobody should send. The root is a scratch directory of the fuzzer's own; whatever the
 * frames say, nothing may happen outside it, and no sanitizer may complain.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/agent.h"

/* Less than what may be asked for. */
static unsigned char memory[300];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char scratch[] = "/tmp/coracle-fuzz-agent-XXXXXX";
static int parent = -1, null = -1;

static void make_scratch(void) {
    if (!mkdtemp(scratch) || (parent = open(scratch, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0 ||
        (null = open("/dev/null", O_RDWR | O_CLOEXEC)) < 0)
        abort();
}

/* Three handles: a writable layer, one below it, and the stack of both, with a few entries in each. */
static void prepare(struct agent *agent) {
    static const char *const layers[] = {"top", "below"};
    struct base *bases[2];
    for (size_t i = 0; i < 2; i++) {
        remove_tree(parent, layers[i]);
        if (mkdirat(parent, layers[i], 0755) < 0)
            abort();
        int fd = openat(parent, layers[i], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        mkdirat(fd, "d", 0755);
        mkdirat(fd, i ? "d/e" : "d/f", 0755);
        symlinkat("d", fd, "l");
        int file = openat(fd, i ? "d/x" : "y", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
        (void)!write(file, "content", 7);
        close(file);
        if (agent_add_root(agent, fd, true) < 0)
            abort();
        bases[i] = agent->handles[i]->bases[0];
    }
    if (handle_add(agent, handle_create(bases, 2, true)) < 0)
        abort();
}

/* Either the bytes as a stream, or a first byte that says how to cut them into frames that pass the length check. */
static void serve_stream(struct agent *agent, const uint8_t *data, size_t size) {
    int ends[2];
    if (size > 60000 || pipe2(ends, O_CLOEXEC) < 0)
        return;
    (void)!write(ends[1], data, size);
    close(ends[1]);
    agent_serve(agent, ends[0]);
    close(ends[0]);
}

static void serve_frames(struct agent *agent, const uint8_t *data, size_t size) {
    while (size > 2) {
        size_t length = (size_t)data[0] + 8;
        if (length > size - 1)
            length = size - 1;
        unsigned char *frame = malloc(length);
        if (!frame)
            abort();
        memcpy(frame, data + 1, length);
        agent_dispatch(agent, frame, length);
        free(frame);
        data += 1 + length;
        size -= 1 + length;
    }
}

/* What each operation reads: h handle, p path, m meta, b u8, w u16, u u32, q u64, s bytes, x xattr name. */
static const struct shape {
    uint16_t op;
    const char *fields;
} shapes[] = {
    {1, "hpbb"}, {2, "bwhhh"}, {3, "h"}, {10, "hpmb"}, {11, "hpmqs"}, {12, "s"}, {22, "hpmquu"}, {23, "uu"}, {13, "hpsm"}, {14, "hpp"}, {15, "hpbuum"},
    {16, "hp"}, {17, "hp"}, {18, "hpxs"}, {19, "hpm"}, {20, "hpb"}, {21, "hphpb"}, {30, "hp"}, {31, "hp"}, {32, "hpbbuubp"}, {35, "hwpquupquu"},
    {33, "hpqq"}, {34, "hp"}, {40, "hphpmqququ"}, {41, "hh"}, {42, "hhhqu"}, {43, "h"}, {44, "h"}, {45, "hp"},
};

static const char *const paths[] = {"d", "d/e", "d/f", "l", "l/x", "y", ".", "", "d/n", "n", "n/m/o", "l/l/../y", "..", "d/./e", "/d//x", "z", "l/n"};
static const char *const names[] = {"user.a", "user.overlay.opaque", "security.capability", "user.", "x"};

struct script {
    const uint8_t *data, *end;
    struct output frame;
};

static unsigned next_byte(struct script *script) {
    return script->data < script->end ? *script->data++ : 0;
}

static void put_field(struct script *script, char field) {
    struct output *out = &script->frame;
    unsigned byte = next_byte(script);
    switch (field) {
    case 'h':
        put_u32(out, byte & 7);
        break;
    case 'p':
        put_text(out, paths[byte % N_ELEMENTS(paths)]);
        break;
    case 'x':
        put_text(out, names[byte % N_ELEMENTS(names)]);
        break;
    case 'm':
        put_u32(out, byte * 64);
        put_u32(out, byte % 3);
        put_u32(out, byte % 2);
        put_time(out, &(struct timespec){.tv_sec = byte});
        put_u16(out, (uint16_t)byte);
        break;
    case 'b':
        put_u8(out, (uint8_t)(byte % 6));
        break;
    case 'w':
        put_u16(out, (uint16_t)(byte % 4));
        break;
    case 'u':
        put_u32(out, byte);
        break;
    case 'q':
        put_u64(out, byte % 40);
        break;
    default:
        put_bytes(out, "d/e/../../some bytes that are content or a link", byte % 40);
    }
}

/* Requests that are well formed, in an order that makes no sense. */
static void serve_script(struct agent *agent, const uint8_t *data, size_t size) {
    char bytes[4096];
    struct script script = {.data = data, .end = data + size, .frame = {.buffer = bytes}};
    while (script.data < script.end) {
        const struct shape *shape = &shapes[next_byte(&script) % N_ELEMENTS(shapes)];
        script.frame.used = 0;
        put_u16(&script.frame, shape->op);
        put_u16(&script.frame, (uint16_t)(next_byte(&script) & 7));
        put_u32(&script.frame, next_byte(&script) & 3);
        for (const char *field = shape->fields; *field; field++)
            put_field(&script, *field);
        agent_dispatch(agent, (const unsigned char *)bytes, script.frame.used);
    }
}

/* Less than what may be asked for. */
static unsigned char memory[300];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct agent agent;
    if (parent < 0)
        make_scratch();
    if (size < 1 || agent_create(&agent, data[0] & 1, null) < 0)
        return 0;
    prepare(&agent);
    agent.memory = memory;
    agent.memory_size = sizeof memory;
    if (data[0] & 4)
        serve_script(&agent, data + 1, size - 1);
    else if (data[0] & 2)
        serve_stream(&agent, data + 1, size - 1);
    else
        serve_frames(&agent, data + 1, size - 1);
    agent_destroy(&agent);
    return 0;
}
