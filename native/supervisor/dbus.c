#define _GNU_SOURCE
#include "dbus.h"

#include <endian.h>
#include <string.h>

static const unsigned char byte_order = __BYTE_ORDER == __LITTLE_ENDIAN ? 'l' : 'B';
enum field { FIELD_PATH = 1, FIELD_INTERFACE = 2, FIELD_MEMBER = 3, FIELD_ERROR = 4, FIELD_ANSWERS = 5, FIELD_DESTINATION = 6, FIELD_SIGNATURE = 8 };

static void put_bytes(struct dbus_writer *writer, const void *bytes, size_t size) {
    if (size > sizeof writer->bytes - writer->size) {
        writer->cut = true;
        return;
    }
    memcpy(writer->bytes + writer->size, bytes, size);
    writer->size += size;
}

static void align(struct dbus_writer *writer, size_t alignment) {
    static const unsigned char zeros[8];
    put_bytes(writer, zeros, (alignment - writer->size % alignment) % alignment);
}

void dbus_put_u32(struct dbus_writer *writer, uint32_t value) {
    align(writer, 4);
    put_bytes(writer, &value, sizeof value);
}

void dbus_put_u64(struct dbus_writer *writer, uint64_t value) {
    align(writer, 8);
    put_bytes(writer, &value, sizeof value);
}

void dbus_put_string(struct dbus_writer *writer, const char *text) {
    dbus_put_u32(writer, (uint32_t)strlen(text));
    put_bytes(writer, text, strlen(text) + 1);
}

void dbus_put_signature(struct dbus_writer *writer, const char *text) {
    const unsigned char length = (unsigned char)strlen(text);
    put_bytes(writer, &length, 1);
    put_bytes(writer, text, strlen(text) + 1);
}

size_t dbus_begin_array(struct dbus_writer *writer, size_t alignment) {
    dbus_put_u32(writer, 0);
    size_t begun = writer->size;
    align(writer, alignment);
    return begun;
}

void dbus_end_array(struct dbus_writer *writer, size_t begun, size_t alignment) {
    size_t first = (begun + alignment - 1) / alignment * alignment;
    const uint32_t size = (uint32_t)(writer->size - first);
    if (!writer->cut)
        memcpy(writer->bytes + begun - sizeof size, &size, sizeof size);
}

void dbus_put_property(struct dbus_writer *writer, const char *name, const char *signature) {
    align(writer, 8);
    dbus_put_string(writer, name);
    dbus_put_signature(writer, signature);
}

static void put_field(struct dbus_writer *writer, enum field field, const char *signature, const char *value) {
    const unsigned char code = (unsigned char)field;
    if (!value)
        return;
    align(writer, 8);
    put_bytes(writer, &code, 1);
    dbus_put_signature(writer, signature);
    if (*signature == 'g')
        dbus_put_signature(writer, value);
    else
        dbus_put_string(writer, value);
}

void dbus_put_call(struct dbus_writer *out, const struct dbus_target *target, uint32_t serial, const char *signature, const struct dbus_writer *body) {
    const unsigned char start[4] = {byte_order, DBUS_CALL, 0, 1};
    *out = (struct dbus_writer){0};
    put_bytes(out, start, sizeof start);
    dbus_put_u32(out, body ? (uint32_t)body->size : 0);
    dbus_put_u32(out, serial);
    size_t fields = dbus_begin_array(out, 8);
    put_field(out, FIELD_PATH, "o", target->path);
    put_field(out, FIELD_INTERFACE, "s", target->interface);
    put_field(out, FIELD_MEMBER, "s", target->member);
    put_field(out, FIELD_DESTINATION, "s", target->destination);
    put_field(out, FIELD_SIGNATURE, "g", body ? signature : NULL);
    dbus_end_array(out, fields, 8);
    align(out, 8);
    if (body)
        put_bytes(out, body->bytes, body->size);
    out->cut = out->cut || (body && body->cut);
}

static uint32_t get_u32(const unsigned char *bytes) {
    uint32_t value;
    memcpy(&value, bytes, sizeof value);
    return value;
}

size_t dbus_size(const unsigned char header[DBUS_HEADER]) {
    const uint64_t body = get_u32(header + 4), fields = get_u32(header + 12);
    const uint64_t size = DBUS_HEADER + (fields + 7) / 8 * 8 + body;
    return header[0] == byte_order && header[3] == 1 && size <= DBUS_MESSAGE_MAX ? (size_t)size : 0;
}

/** A string with its length in front and a NUL behind, all of it before `end`; `*at` goes on behind it. */
static const char *string_at(const unsigned char *bytes, size_t end, size_t *at) {
    size_t start = (*at + 3) / 4 * 4;
    if (start > end || end - start < 5)
        return NULL;
    size_t length = get_u32(bytes + start), room = end - start - 5;
    if (length > room || bytes[start + 4 + length] != 0 || memchr(bytes + start + 4, 0, length))
        return NULL;
    *at = start + 4 + length + 1;
    return (const char *)bytes + start + 4;
}

/** One field of the header: its code, the signature of one type, the value. False at what is malformed. */
static bool read_field(const unsigned char *bytes, size_t end, size_t *at, struct dbus_message *message) {
    size_t start = (*at + 7) / 8 * 8;
    if (start > end || end - start < 4 || bytes[start + 1] != 1 || bytes[start + 3] != 0)
        return false;
    const enum field field = bytes[start];
    const unsigned char type = bytes[start + 2];
    *at = start + 4;
    if (type == 'u') {
        if (end - *at < 4)
            return false;
        if (field == FIELD_ANSWERS)
            message->answers = get_u32(bytes + *at);
        *at += 4;
        return true;
    }
    if (type == 'g') {
        size_t length = *at < end ? bytes[*at] : 0;
        bool good = end - *at >= length + 2;
        *at += length + 2;
        return good;
    }
    const char *text = type == 's' || type == 'o' ? string_at(bytes, end, at) : NULL;
    if (field == FIELD_MEMBER)
        message->member = text;
    if (field == FIELD_ERROR)
        message->error = text;
    return text;
}

bool dbus_parse(const unsigned char *bytes, size_t size, struct dbus_message *message) {
    *message = (struct dbus_message){0};
    if (size < DBUS_HEADER || dbus_size(bytes) != size)
        return false;
    message->type = bytes[1];
    size_t end = DBUS_HEADER + get_u32(bytes + 12);
    for (size_t at = DBUS_HEADER; at < end;)
        if (!read_field(bytes, end, &at, message))
            return false;
    message->body_size = get_u32(bytes + 4);
    message->body = bytes + size - message->body_size;
    return true;
}

const char *dbus_get_string(const struct dbus_message *message, size_t *at) {
    return string_at(message->body, message->body_size, at);
}
