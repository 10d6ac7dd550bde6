#define _GNU_SOURCE
#include "dns.h"

#include <stdio.h>
#include <string.h>

enum { QUERY_FLAG_ANSWER = 0x80, QUERY_OPCODE = 0x78, REPLY_AVAILABLE = 0x80, REPLY_CUT = 0x02, REPLY_OURS = 0x04, CLASS_IN = 1, TYPE_OPT = 41, LABEL_LONGEST = 63, NAME_LONGEST = 253, POINTER = 0xc0 };

static unsigned get_u16(const unsigned char *bytes) {
    return (unsigned)bytes[0] << 8 | bytes[1];
}

/** Reads an uncompressed name at `*at`; what stands in a question is never compressed. False for one that is malformed or has bytes that no host name has. */
static bool read_name(const unsigned char *message, size_t size, size_t *at, char name[DNS_NAME]) {
    size_t length = 0;
    for (;;) {
        if (*at >= size)
            return false;
        size_t label = message[(*at)++];
        if (label == 0)
            break;
        if (label > LABEL_LONGEST || label > size - *at || length + label + (length > 0) > NAME_LONGEST)
            return false;
        if (length > 0)
            name[length++] = '.';
        for (size_t i = 0; i < label; i++) {
            unsigned char byte = message[(*at)++];
            if (byte <= ' ' || byte > '~' || byte == '.')
                return false;
            name[length++] = (char)(byte >= 'A' && byte <= 'Z' ? byte + 32 : byte);
        }
    }
    name[length] = 0;
    return true;
}

/** Size of answers that the sender takes, by its OPT record (RFC 6891), which most send as the only further record. */
static size_t find_room(const unsigned char *message, size_t size, size_t at) {
    if (get_u16(message + 6) != 0 || get_u16(message + 8) != 0 || get_u16(message + 10) != 1)
        return DNS_UDP;
    if (size - at < 11 || message[at] != 0 || get_u16(message + at + 1) != TYPE_OPT)
        return DNS_UDP;
    size_t room = get_u16(message + at + 3);
    return room < DNS_UDP ? DNS_UDP : room > DNS_UDP_LARGEST ? DNS_UDP_LARGEST : room;
}

int dns_parse(const unsigned char *message, size_t size, struct dns_question *question) {
    size_t at = DNS_HEADER;
    if (size < DNS_HEADER || (message[2] & QUERY_FLAG_ANSWER))
        return -1;
    *question = (struct dns_question){.id = (uint16_t)get_u16(message), .room = DNS_UDP, .end = DNS_HEADER};
    if (message[2] & QUERY_OPCODE)
        return DNS_NOT_IMPLEMENTED;
    if (get_u16(message + 4) != 1 || !read_name(message, size, &at, question->name) || size - at < 4)
        return DNS_FORMAT;
    question->type = (uint16_t)get_u16(message + at);
    unsigned class = get_u16(message + at + 2);
    question->end = at + 4;
    question->room = find_room(message, size, question->end);
    return class == CLASS_IN ? DNS_OK : DNS_REFUSED;
}

bool dns_answers(const unsigned char *answer, size_t size, const unsigned char *query, const struct dns_question *question) {
    struct dns_question asked;
    size_t at = DNS_HEADER;
    if (size < DNS_HEADER || !(answer[2] & QUERY_FLAG_ANSWER) || memcmp(answer, query, 2) != 0)
        return false;
    if (get_u16(answer + 4) == 0) /* a server that could not read the question need not repeat it */
        return (answer[3] & 0x0f) != DNS_OK;
    if (get_u16(answer + 4) != 1 || !read_name(answer, size, &at, asked.name) || size - at < 4)
        return false;
    return strcmp(asked.name, question->name) == 0 && get_u16(answer + at) == question->type;
}

void dns_begin(struct dns_reply *reply, unsigned char *bytes, size_t room, const unsigned char *query, const struct dns_question *question, int code) {
    size_t size = question ? question->end : DNS_HEADER;
    *reply = (struct dns_reply){.bytes = bytes, .size = size, .room = room};
    memcpy(bytes, query, size);
    bytes[2] = (unsigned char)(QUERY_FLAG_ANSWER | (query[2] & (QUERY_OPCODE | 1)));
    bytes[3] = (unsigned char)(REPLY_AVAILABLE | code);
    memset(bytes + 4, 0, 8);
    bytes[5] = size > DNS_HEADER ? 1 : 0;
}

/** The name is that of the question; the answer may not be kept, because containers come and go. */
static unsigned char *add_record(struct dns_reply *reply, unsigned type, size_t size) {
    const unsigned char head[12] = {POINTER, DNS_HEADER, 0, (unsigned char)type, 0, CLASS_IN, 0, 0, 0, 0, (unsigned char)(size >> 8), (unsigned char)size};
    if (reply->cut || reply->room - reply->size < sizeof head + size) {
        reply->cut = true;
        reply->bytes[2] |= REPLY_CUT;
        return NULL;
    }
    unsigned char *at = reply->bytes + reply->size;
    memcpy(at, head, sizeof head);
    reply->size += sizeof head + size;
    reply->count++;
    reply->bytes[2] |= REPLY_OURS;
    reply->bytes[6] = (unsigned char)(reply->count >> 8);
    reply->bytes[7] = (unsigned char)reply->count;
    return at + sizeof head;
}

void dns_add_address(struct dns_reply *reply, const unsigned char *address, size_t size) {
    unsigned char *at = add_record(reply, size == 4 ? DNS_A : DNS_AAAA, size);
    if (at)
        memcpy(at, address, size);
}

void dns_add_pointer(struct dns_reply *reply, const char *name) {
    unsigned char wire[DNS_NAME];
    size_t size = 0;
    while (*name) {
        size_t label = strcspn(name, ".");
        if (label == 0 || label > LABEL_LONGEST || size + label + 2 > sizeof wire)
            return;
        wire[size++] = (unsigned char)label;
        memcpy(wire + size, name, label);
        size += label;
        name += label + (name[label] == '.');
    }
    wire[size++] = 0;
    unsigned char *at = add_record(reply, DNS_PTR, size);
    if (at)
        memcpy(at, wire, size);
}

/** `4.3.2.1.in-addr.arpa`. */
static size_t reverse_four(const char *name, unsigned char address[16]) {
    unsigned parts[4];
    int length = 0;
    if (sscanf(name, "%3u.%3u.%3u.%3u.in-addr.arpa%n", &parts[0], &parts[1], &parts[2], &parts[3], &length) != 4 || length == 0 || name[length])
        return 0;
    for (size_t i = 0; i < 4; i++) {
        if (parts[i] > 255)
            return 0;
        address[3 - i] = (unsigned char)parts[i];
    }
    return 4;
}

/** 32 digits, the last one first. */
static size_t reverse_six(const char *name, unsigned char address[16]) {
    static const char digits[] = "0123456789abcdef";
    if (strlen(name) != 64 + strlen("ip6.arpa") || strcmp(name + 64, "ip6.arpa") != 0)
        return 0;
    memset(address, 0, 16);
    for (size_t i = 0; i < 32; i++) {
        const char *digit = strchr(digits, name[2 * i]);
        if (!digit || name[2 * i + 1] != '.')
            return 0;
        address[15 - i / 2] |= (unsigned char)((digit - digits) << (i % 2 ? 4 : 0));
    }
    return 16;
}

size_t dns_reverse(const char *name, unsigned char address[16]) {
    size_t size = reverse_four(name, address);
    return size ? size : reverse_six(name, address);
}
