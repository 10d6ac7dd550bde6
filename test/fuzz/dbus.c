/* What a manager of units answers: any bytes, and those behind a header that fits them. */
#include <stdint.h>
#include <string.h>

#include "supervisor/dbus.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_message(const unsigned char *bytes, size_t size) {
    struct dbus_message message;
    size_t at = 0;
    if (!dbus_parse(bytes, size, &message))
        return;
    if ((message.member && strlen(message.member) >= size) || (message.error && strlen(message.error) >= size))
        abort();
    for (const char *text; (text = dbus_get_string(&message, &at));)
        if (strlen(text) >= message.body_size)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size < DBUS_HEADER || size > DBUS_MESSAGE_MAX)
        return 0;
    unsigned char *bytes = malloc(size);
    if (!bytes)
        return 0;
    memcpy(bytes, data, size);
    if (dbus_size(bytes) == size)
        read_message(bytes, size);
    /* The same with sizes that add up: fields take what the input's first byte says. */
    const uint32_t fields = (uint32_t)((data[4] * (size - DBUS_HEADER) / 256) & ~7U), body = (uint32_t)(size - DBUS_HEADER) - fields;
    bytes[0] = 'l';
    bytes[3] = 1;
    memcpy(bytes + 4, &body, sizeof body);
    memcpy(bytes + 12, &fields, sizeof fields);
    read_message(bytes, size);
    free(bytes);
    return 0;
}
