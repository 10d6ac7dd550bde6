/* The agent's frames: fields out of requests, fields and whole frames into the reply buffer. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#include "agent.h"

enum { OUTPUT_HIGH = 512 << 10, DATA_MAX = 256 << 10 };

static const unsigned char *take(struct request *request, size_t size) {
    static const unsigned char zeros[8];
    if ((size_t)(request->end - request->next) < size) {
        request->bad = true;
        request->next = request->end;
        return zeros;
    }
    const unsigned char *at = request->next;
    request->next += size;
    return at;
}

uint8_t take_u8(struct request *request) {
    return *take(request, 1);
}

uint16_t take_u16(struct request *request) {
    const unsigned char *at = take(request, 2);
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t take_u32(struct request *request) {
    const unsigned char *at = take(request, 4);
    return (uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

uint64_t take_u64(struct request *request) {
    const unsigned char *at = take(request, 8);
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

const char *take_bytes(struct request *request, size_t *size) {
    uint32_t wanted = take_u32(request);
    if (wanted > (size_t)(request->end - request->next)) {
        request->bad = true;
        wanted = 0;
    }
    *size = wanted;
    return (const char *)take(request, wanted);
}

int complete(const struct request *request) {
    return request->bad || request->next != request->end ? -EBADMSG : 0;
}

static int check_components(const char *path) {
    for (const char *at = path; *at;) {
        size_t length = strcspn(at, "/");
        if (length >= AGENT_NAME)
            return -ENAMETOOLONG;
        if (length == 2 && at[0] == '.' && at[1] == '.')
            return -EINVAL;
        at += length + (at[length] == '/');
    }
    return 0;
}

int take_path(struct request *request, char out[AGENT_PATH]) {
    size_t size;
    const char *bytes = take_bytes(request, &size);
    out[0] = 0;
    if (size >= AGENT_PATH)
        return -ENAMETOOLONG;
    memcpy(out, bytes, size);
    out[size] = 0;
    if (request->bad || strlen(out) != size)
        return -EINVAL;
    return check_components(out);
}

void take_meta(struct request *request, struct meta *meta) {
    meta->mode = take_u32(request) & 07777;
    meta->uid = take_u32(request);
    meta->gid = take_u32(request);
    meta->time.tv_sec = (time_t)take_u64(request);
    uint32_t nanoseconds = take_u32(request);
    request->bad = request->bad || nanoseconds >= 1000000000;
    meta->time.tv_nsec = (long)nanoseconds;
    meta->mask = take_u16(request);
}

void output_flush(struct output *out) {
    size_t done = 0;
    while (done < out->used && !out->broken) {
        ssize_t put = write(out->fd, out->buffer + done, out->used - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno == EAGAIN)
            poll(&(struct pollfd){.fd = out->fd, .events = POLLOUT}, 1, -1);
        else if (errno != EINTR)
            out->broken = true;
    }
    out->used = 0;
}

void put_u8(struct output *out, uint8_t value) {
    out->buffer[out->used++] = (char)value;
}

void put_u16(struct output *out, uint16_t value) {
    put_u8(out, (uint8_t)value);
    put_u8(out, (uint8_t)(value >> 8));
}

void put_u32(struct output *out, uint32_t value) {
    put_u16(out, (uint16_t)value);
    put_u16(out, (uint16_t)(value >> 16));
}

void put_u64(struct output *out, uint64_t value) {
    put_u32(out, (uint32_t)value);
    put_u32(out, (uint32_t)(value >> 32));
}

/* The buffer has room for two whole frames past OUTPUT_HIGH, and no caller puts more than one frame between begin and end. */
void put_bytes(struct output *out, const void *bytes, size_t size) {
    put_u32(out, (uint32_t)size);
    memcpy(out->buffer + out->used, bytes, size);
    out->used += size;
}

void put_text(struct output *out, const char *text) {
    put_bytes(out, text, strlen(text));
}

void put_time(struct output *out, const struct timespec *time) {
    put_u64(out, (uint64_t)time->tv_sec);
    put_u32(out, (uint32_t)time->tv_nsec);
}

void patch_u32(struct output *out, size_t at, uint32_t value) {
    for (int i = 0; i < 4; i++)
        out->buffer[at + (size_t)i] = (char)(value >> (8 * i));
}

static void begin_tagged(struct output *out, enum agent_reply kind, uint32_t tag) {
    if (out->used > OUTPUT_HIGH && !out->open)
        output_flush(out);
    /* A frame that an error cut short is taken back. */
    if (out->open)
        out->used = out->frame;
    out->open = true;
    out->frame = out->used;
    put_u32(out, 0);
    put_u16(out, (uint16_t)kind);
    put_u16(out, 0);
    put_u32(out, tag);
}

void reply_begin(struct agent *agent, enum agent_reply kind) {
    begin_tagged(&agent->out, kind, agent->request.tag);
}

void reply_end(struct agent *agent) {
    patch_u32(&agent->out, agent->out.frame, (uint32_t)(agent->out.used - agent->out.frame - 4));
    agent->out.open = false;
}

void reply_error(struct agent *agent, uint32_t tag, int number, const char *stage, const char *path) {
    begin_tagged(&agent->out, REPLY_ERROR, tag);
    put_u32(&agent->out, (uint32_t)number);
    put_text(&agent->out, stage);
    put_text(&agent->out, path);
    reply_end(agent);
}

char *data_begin(struct agent *agent, size_t *size) {
    reply_begin(agent, REPLY_DATA);
    put_u32(&agent->out, 0);
    if (*size > DATA_MAX)
        *size = DATA_MAX;
    return agent->out.buffer + agent->out.used;
}

void data_end(struct agent *agent, size_t size) {
    patch_u32(&agent->out, agent->out.frame + AGENT_HEADER, (uint32_t)size);
    agent->out.used += size;
    reply_end(agent);
}
