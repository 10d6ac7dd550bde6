/* A growing first-in-first-out buffer of bytes. */
#ifndef CORACLE_BUFFER_H
#define CORACLE_BUFFER_H

#include "relay.h"

static inline size_t buffer_size(const struct buffer *buffer) {
    return buffer->end - buffer->start;
}

/** Appends; -1 when memory is short (nothing is appended). */
int buffer_add(struct buffer *buffer, const void *data, size_t size);
/** Drops bytes from the front; an emptied buffer gives its memory back. */
void buffer_take(struct buffer *buffer, size_t size);
void buffer_free(struct buffer *buffer);

#endif
