#define _GNU_SOURCE
#include "netlink.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static void *reserve(struct netlink_request *request, size_t size) {
    size_t padded = NLMSG_ALIGN(size);
    if (request->overflow || padded > sizeof request->data.bytes - request->size) {
        request->overflow = true;
        return NULL;
    }
    void *at = request->data.bytes + request->size;
    memset(at, 0, padded);
    request->size += padded;
    return at;
}

static void set_length(struct netlink_request *request) {
    struct nlmsghdr *header = (void *)(request->data.bytes + request->start);
    header->nlmsg_len = (uint32_t)(request->size - request->start);
}

void netlink_begin(struct netlink_request *request, uint16_t type, uint16_t flags, const void *body, size_t size) {
    request->start = request->size;
    struct nlmsghdr *header = reserve(request, sizeof *header);
    void *fixed = header ? reserve(request, size) : NULL;
    if (!fixed)
        return;
    *header = (struct nlmsghdr){.nlmsg_type = type, .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags), .nlmsg_seq = (uint32_t)request->start};
    memcpy(fixed, body, size);
    set_length(request);
}

void netlink_put(struct netlink_request *request, uint16_t type, const void *data, size_t size) {
    struct nlattr *attribute = reserve(request, NLA_HDRLEN + size);
    if (!attribute)
        return;
    *attribute = (struct nlattr){.nla_len = (uint16_t)(NLA_HDRLEN + size), .nla_type = type};
    if (size > 0)
        memcpy((unsigned char *)attribute + NLA_HDRLEN, data, size);
    set_length(request);
}

void netlink_put_u32(struct netlink_request *request, uint16_t type, uint32_t value) {
    netlink_put(request, type, &value, sizeof value);
}

void netlink_put_u8(struct netlink_request *request, uint16_t type, uint8_t value) {
    netlink_put(request, type, &value, sizeof value);
}

void netlink_put_text(struct netlink_request *request, uint16_t type, const char *text) {
    netlink_put(request, type, text, strlen(text) + 1);
}

size_t netlink_open(struct netlink_request *request, uint16_t type) {
    size_t opened = request->size;
    netlink_put(request, type | NLA_F_NESTED, NULL, 0);
    return opened;
}

void netlink_close(struct netlink_request *request, size_t opened) {
    if (request->overflow)
        return;
    struct nlattr *attribute = (void *)(request->data.bytes + opened);
    attribute->nla_len = (uint16_t)(request->size - opened);
}

/* With an address: then the kernel asks only what we may do, not also what whoever made the socket may. */
static int send_all(int socket, const struct netlink_request *request) {
    if (request->overflow) {
        errno = EMSGSIZE;
        return -1;
    }
    const struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    ssize_t sent;
    do
        sent = sendto(socket, request->data.bytes, request->size, MSG_NOSIGNAL, (const struct sockaddr *)&kernel, sizeof kernel);
    while (sent < 0 && errno == EINTR);
    return sent == (ssize_t)request->size ? 0 : -1;
}

static ssize_t receive(int socket, void *answer, size_t room) {
    ssize_t got;
    do
        got = recv(socket, answer, room, 0);
    while (got < 0 && errno == EINTR);
    return got;
}

int netlink_send(int socket, struct netlink_request *request, unsigned answers) {
    union {
        struct nlmsghdr header;
        unsigned char bytes[NETLINK_ROOM];
    } answer;
    int error = 0;
    if (send_all(socket, request) < 0)
        return -1;
    while (answers > 0) {
        ssize_t got = receive(socket, answer.bytes, sizeof answer.bytes);
        if (got < 0)
            return -1;
        for (size_t at = 0, left; answers > 0 && (left = (size_t)got - at) >= sizeof(struct nlmsghdr);) {
            const struct nlmsghdr *header = (const void *)(answer.bytes + at);
            if (header->nlmsg_len < sizeof *header || header->nlmsg_len > left)
                break;
            at += NLMSG_ALIGN(header->nlmsg_len) < left ? NLMSG_ALIGN(header->nlmsg_len) : left;
            if (header->nlmsg_type != NLMSG_ERROR || header->nlmsg_len < NLMSG_LENGTH(sizeof(struct nlmsgerr)))
                continue;
            const struct nlmsgerr *told = (const void *)((const unsigned char *)header + NLMSG_HDRLEN);
            error = error != 0 ? error : -told->error;
            answers = told->error != 0 ? 0 : answers - 1; /* what failed ends a batch */
        }
    }
    errno = error;
    return error == 0 ? 0 : -1;
}

ssize_t netlink_ask(int socket, struct netlink_request *request, void *answer, size_t room) {
    if (send_all(socket, request) < 0)
        return -1;
    ssize_t got = receive(socket, answer, room);
    const struct nlmsghdr *header = answer;
    if (got < (ssize_t)sizeof *header) {
        errno = got < 0 ? errno : EBADMSG;
        return -1;
    }
    if (header->nlmsg_type != NLMSG_ERROR)
        return got;
    const struct nlmsgerr *told = NLMSG_DATA(header);
    errno = got >= (ssize_t)NLMSG_LENGTH(sizeof *told) ? -told->error : EBADMSG;
    return -1;
}
