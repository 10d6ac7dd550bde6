/* Messages of D-Bus, as far as a manager of units is asked: calls are made, answers and signals read. Pure: bytes in, bytes out.
 * https://dbus.freedesktop.org/doc/dbus-specification.html */
#ifndef CORACLE_DBUS_H
#define CORACLE_DBUS_H

#include "base/util.h"

enum { DBUS_CALL_MAX = 4096, DBUS_HEADER = 16, DBUS_MESSAGE_MAX = 1 << 20 };
enum dbus_type { DBUS_CALL = 1, DBUS_RETURN = 2, DBUS_ERROR = 3, DBUS_SIGNAL = 4 };

/** What is being written. Numbers and arrays are aligned from the start, so that it may follow any header. */
struct dbus_writer {
    unsigned char bytes[DBUS_CALL_MAX];
    size_t size;
    /** It did not fit. */
    bool cut;
};

void dbus_put_u32(struct dbus_writer *writer, uint32_t value);
void dbus_put_u64(struct dbus_writer *writer, uint64_t value);
/** Also an object path. */
void dbus_put_string(struct dbus_writer *writer, const char *text);
void dbus_put_signature(struct dbus_writer *writer, const char *text);
/** Begins an array whose elements are aligned to `alignment`; what it gives belongs into dbus_end_array. */
size_t dbus_begin_array(struct dbus_writer *writer, size_t alignment);
void dbus_end_array(struct dbus_writer *writer, size_t begun, size_t alignment);
/** Begins a struct (sv): the name and the type of its value, which is to follow. */
void dbus_put_property(struct dbus_writer *writer, const char *name, const char *signature);

/** Whom a call goes to; without a destination where no bus is between. */
struct dbus_target {
    const char *destination, *path, *interface, *member;
};

/** A whole call in `out`; `body` is NULL without arguments. */
void dbus_put_call(struct dbus_writer *out, const struct dbus_target *target, uint32_t serial, const char *signature, const struct dbus_writer *body);

/** What came. The strings lie in the message. */
struct dbus_message {
    enum dbus_type type;
    uint32_t answers;
    const char *member, *error;
    const unsigned char *body;
    size_t body_size;
};

/** How long the message is whose first DBUS_HEADER bytes these are; 0 for what is none, or too long. */
size_t dbus_size(const unsigned char header[DBUS_HEADER]);
/** Reads a message of `size` bytes, as dbus_size told it. */
bool dbus_parse(const unsigned char *bytes, size_t size, struct dbus_message *message);
/** The string at `*at` of the body, which goes on behind it; NULL where there is none. */
const char *dbus_get_string(const struct dbus_message *message, size_t *at);

#endif
