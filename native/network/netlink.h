/* Netlink messages: built in a buffer, sent to the kernel, answered by an errno. The socket says which network namespace is meant. */
#ifndef CORACLE_NETLINK_H
#define CORACLE_NETLINK_H

#include <linux/netlink.h>

#include "base/util.h"

enum { NETLINK_ROOM = 8192 };

/** Several messages, one after the other; `overflow` once one did not fit. */
struct netlink_request {
    union {
        struct nlmsghdr align;
        unsigned char bytes[NETLINK_ROOM];
    } data;
    size_t size;
    /** Where the message that is being built begins. */
    size_t start;
    bool overflow;
};

/** Begins a message whose fixed part is `body` (`size` bytes). */
void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body, size_t size);
void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t size);
void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value);
void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value);
void netlink_put_text(struct netlink_request *request, uint16_t type, const char *text);
/** Opens an attribute that holds others; the result goes to netlink_close. */
size_t netlink_open(struct netlink_request *request, uint16_t type);
void netlink_close(struct netlink_request *request, size_t opened);
/** Sends what was built and waits for the kernel's answers to `answers` messages: 0, or -1 with errno. */
int netlink_send(int socket, struct netlink_request *request, unsigned answers);
/** Sends one request and reads one answer of another kind into `answer`; its size, or -1 with errno. */
ssize_t netlink_ask(int socket, struct netlink_request *request, void *answer, size_t room);

#endif
