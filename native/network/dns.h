/* DNS messages (RFC 1035): what a query asks, and answers made of addresses and names. Pure: bytes in, bytes out. */
#ifndef CORACLE_DNS_H
#define CORACLE_DNS_H

#include "base/util.h"

enum { DNS_HEADER = 12, DNS_NAME = 256, DNS_MESSAGE = 65535, DNS_UDP = 512, DNS_UDP_LARGEST = 4096 };
enum dns_type { DNS_A = 1, DNS_PTR = 12, DNS_AAAA = 28, DNS_ANY = 255 };
enum dns_code { DNS_OK = 0, DNS_FORMAT = 1, DNS_SERVER = 2, DNS_UNKNOWN = 3, DNS_NOT_IMPLEMENTED = 4, DNS_REFUSED = 5 };

/** The one question of a query. */
struct dns_question {
    uint16_t id, type;
    /** In lower case, without the last dot; empty for the root. */
    char name[DNS_NAME];
    /** Where the question ends in the message. */
    size_t end;
    /** How many bytes an answer by UDP may have. */
    size_t room;
};

/** Reads a query: DNS_OK; else the code to answer with, or -1 for what deserves no answer. */
int dns_parse(const unsigned char *message, size_t size, struct dns_question *question);
/** Whether `answer` is one to the question of `query`: same id and same question. */
bool dns_answers(const unsigned char *answer, size_t size, const unsigned char *query, const struct dns_question *question);

/** An answer that is being made. */
struct dns_reply {
    unsigned char *bytes;
    size_t size, room;
    unsigned count;
    bool cut;
};

/** Begins the answer to `query`; `bytes` has room for at least DNS_UDP bytes. Without a question read (`question` NULL) only the header is repeated. */
void dns_begin(struct dns_reply *reply, unsigned char *bytes, size_t room, const unsigned char *query, const struct dns_question *question, int code);
/** Adds an address of 4 or 16 bytes. */
void dns_add_address(struct dns_reply *reply, const unsigned char *address, size_t size);
void dns_add_pointer(struct dns_reply *reply, const char *name);

/** The address that a name of in-addr.arpa or ip6.arpa means: its size, 0 for another name. */
size_t dns_reverse(const char *name, unsigned char address[16]);

#endif
