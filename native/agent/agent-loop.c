/* The agent's loop: whole frames out of the pipe, each to its operation, replies kept together until the input runs dry. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

enum { INPUT_SIZE = 2 * AGENT_FRAME_MAX, OUTPUT_ROOM = 3 * AGENT_FRAME_MAX };

/* `answers`: the operation writes its own reply when it succeeds. */
static const struct operation {
    uint16_t op;
    bool answers;
    const char *name;
    int (*run)(struct agent *agent, struct request *request);
} operations[] = {
    {11, true, "file", op_file},           {12, true, "file", op_file_data},    {10, false, "mkdir", op_mkdir},
    {1, true, "open", op_open},            {2, true, "stack", op_stack},        {3, false, "close", op_close},
    {13, false, "symlink", op_symlink},    {14, false, "link", op_link},        {15, false, "node", op_node},
    {16, false, "whiteout", op_whiteout},  {17, false, "opaque", op_opaque},    {18, false, "xattr", op_xattr},
    {19, false, "meta", op_meta},          {20, false, "remove", op_remove},    {21, false, "rename", op_rename},
    {30, true, "stat", op_stat},           {31, true, "list", op_list},         {32, true, "walk", op_walk},
    {33, true, "read", op_read},           {34, true, "resolve", op_resolve},   {40, false, "copy", op_copy},
    {41, true, "flatten", op_flatten},     {42, true, "compare", op_compare},   {43, true, "normalise", op_normalise},
    {44, false, "syncfs", op_syncfs},      {45, true, "usage", op_usage},
    {35, false, "fill", op_fill},            {OP_SHARED_FILE, true, "file", op_file}, {OP_SHARED_DATA, true, "file", op_file_data},
};

int agent_create(struct agent *agent, bool single_id, int out) {
    *agent = (struct agent){.single_id = single_id, .out = {.fd = out}};
    agent->out.buffer = malloc(OUTPUT_ROOM);
    agent->scratch = malloc(AGENT_XATTR);
    agent->handles = calloc(AGENT_HANDLES, sizeof *agent->handles);
    return agent->out.buffer && agent->scratch && agent->handles ? 0 : -ENOMEM;
}

void agent_destroy(struct agent *agent) {
    for (size_t i = 0; agent->handles && i < agent->handle_count; i++)
        if (agent->handles[i])
            handle_release(agent->handles[i]);
    for (size_t i = 0; i < AGENT_PENDING; i++) {
        if (agent->pending[i].used && agent->pending[i].fd >= 0)
            close(agent->pending[i].fd);
        free(agent->pending[i].path);
    }
    free(agent->handles);
    free(agent->out.buffer);
    free(agent->scratch);
}

int agent_add_root(struct agent *agent, int fd, bool writable) {
    struct base *base = base_create(fd, NULL);
    struct handle *handle = base ? handle_create(&base, 1, writable) : NULL;
    if (base)
        base_release(base);
    return handle ? handle_add(agent, handle) : -ENOMEM;
}

static const struct operation *find_operation(uint16_t op) {
    for (size_t i = 0; i < N_ELEMENTS(operations); i++)
        if (operations[i].op == op)
            return &operations[i];
    return NULL;
}

void agent_dispatch(struct agent *agent, const unsigned char *frame, size_t size) {
    struct request *request = &agent->request;
    request->next = frame;
    request->end = frame + size;
    request->bad = false;
    request->path[0] = 0;
    request->other[0] = 0;
    request->op = take_u16(request);
    request->flags = take_u16(request);
    request->tag = take_u32(request);
    const struct operation *operation = find_operation(request->op);
    int result = operation ? operation->run(agent, request) : -ENOSYS;
    if (result < 0) {
        reply_error(agent, request->tag, -result, operation ? operation->name : "request", request->path);
    } else if (operation && !operation->answers && (request->flags & FLAG_ACK)) {
        reply_begin(agent, REPLY_OK);
        reply_end(agent);
    }
}

/* Serves the whole frames in the buffer. Returns the bytes used, or -EBADMSG for a frame of impossible length. */
static ssize_t serve_buffer(struct agent *agent, const unsigned char *buffer, size_t size) {
    size_t used = 0;
    while (size - used >= 4 && !agent->out.broken) {
        const unsigned char *at = buffer + used;
        size_t rest = (size_t)at[0] | (size_t)at[1] << 8 | (size_t)at[2] << 16 | (size_t)at[3] << 24;
        if (rest < AGENT_HEADER - 4 || rest > AGENT_FRAME_MAX - 4)
            return -EBADMSG;
        if (size - used - 4 < rest)
            break;
        agent_dispatch(agent, at + 4, rest);
        used += 4 + rest;
    }
    return (ssize_t)used;
}

static ssize_t read_more(int in, unsigned char *buffer, size_t room) {
    for (;;) {
        ssize_t got = read(in, buffer, room);
        if (got >= 0)
            return got;
        if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = in, .events = POLLIN}, 1, -1);
        else if (errno != EINTR)
            return -errno;
    }
}

int agent_serve(struct agent *agent, int in) {
    auto_free unsigned char *buffer = malloc(INPUT_SIZE);
    size_t have = 0;
    while (buffer && !agent->out.broken) {
        ssize_t got = read_more(in, buffer + have, INPUT_SIZE - have);
        if (got <= 0)
            return got < 0 ? (int)got : have ? -EBADMSG : 0;
        have += (size_t)got;
        ssize_t used = serve_buffer(agent, buffer, have);
        if (used < 0) {
            reply_error(agent, 0, (int)-used, "frame", "");
            output_flush(&agent->out);
            return (int)used;
        }
        have -= (size_t)used;
        memmove(buffer, buffer + used, have);
        output_flush(&agent->out);
    }
    return buffer ? 0 : -ENOMEM;
}
