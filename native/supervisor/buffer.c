#define _GNU_SOURCE
#include "buffer.h"

#include <stdlib.h>
#include <string.h>

int buffer_add(struct buffer *buffer, const void *data, size_t size) {
    size_t used = buffer_size(buffer);
    if (size == 0)
        return 0;
    if (buffer->end + size > buffer->room) {
        if (buffer->start > 0)
            memmove(buffer->data, buffer->data + buffer->start, used);
        buffer->start = 0;
        buffer->end = used;
    }
    if (buffer->end + size > buffer->room) {
        size_t room = buffer->room ? buffer->room : 4096;
        while (room < used + size)
            room *= 2;
        char *larger = realloc(buffer->data, room);
        if (!larger)
            return -1;
        buffer->data = larger;
        buffer->room = room;
    }
    memcpy(buffer->data + buffer->end, data, size);
    buffer->end += size;
    return 0;
}

void buffer_take(struct buffer *buffer, size_t size) {
    buffer->start += size;
    if (buffer->start == buffer->end)
        buffer_free(buffer);
}

void buffer_free(struct buffer *buffer) {
    free(buffer->data);
    *buffer = (struct buffer){0};
}
