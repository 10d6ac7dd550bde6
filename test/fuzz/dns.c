/*
 * DNS messages as hostile containers and servers send them: read, answered and compared; whatever they hold, no sanitizer may complain,
 * and what is answered is a message that can be read again.
 */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "network/dns.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void answer(const unsigned char *query, const struct dns_question *question, int code) {
    static const unsigned char address[16] = {10, 89, 0, 2};
    size_t room = question->room;
    unsigned char *bytes = malloc(room), found[16];
    struct dns_reply reply;
    struct dns_question again;
    if (!bytes)
        abort();
    dns_begin(&reply, bytes, room, query, code == DNS_FORMAT ? NULL : question, code);
    for (size_t i = 0; i < 30; i++) {
        dns_add_address(&reply, address, i % 2 ? 16 : 4);
        dns_add_pointer(&reply, question->name);
    }
    if (reply.size > room || (code == DNS_OK && !dns_answers(bytes, reply.size, query, question)))
        abort();
    bytes[2] &= 0x7f;
    bytes[6] = bytes[7] = 0;
    if (code == DNS_OK && (dns_parse(bytes, reply.size, &again) != DNS_OK || strcmp(again.name, question->name) != 0))
        abort();
    dns_reverse(question->name, found);
    free(bytes);
}

/** Labels of letters from any bytes, so that names are read to their end, too. */
static void make_name(unsigned char *bytes, size_t size) {
    for (size_t at = 0; at < size;) {
        size_t label = bytes[at] % 12;
        if (label >= size - at)
            label = 0;
        bytes[at++] = (unsigned char)label;
        if (label == 0)
            return;
        for (size_t end = at + label; at < end; at++)
            bytes[at] = (unsigned char)(bytes[at] % 4 ? 'a' + bytes[at] % 26 : bytes[at]);
    }
}

/* The inputs of the driver are mutations of nothing: most get a header that passes, so that what follows is looked at. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const unsigned char header[DNS_HEADER] = {0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1};
    bool plain = size > 0 && data[0] % 4 == 0;
    size_t total = plain ? size : size + sizeof header;
    unsigned char *message = malloc(total + 1);
    struct dns_question question;
    if (!message)
        abort();
    if (!plain)
        memcpy(message, header, sizeof header);
    memcpy(message + (plain ? 0 : sizeof header), data, size);
    if (!plain && size > 0 && data[0] % 4 != 1)
        make_name(message + sizeof header, size);
    unsigned char *exact = malloc(total ? total : 1); /* so that one byte too far is seen */
    if (!exact)
        abort();
    memcpy(exact, message, total);
    free(message);
    int code = dns_parse(exact, total, &question);
    if (code >= 0) {
        answer(exact, &question, code);
        dns_answers(exact, total, exact, &question);
    }
    free(exact);
    return 0;
}
