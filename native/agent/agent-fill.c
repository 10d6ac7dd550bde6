/* Contents of many files into the memory shared with the client: one answer for all, and no byte through a pipe. */
#define _GNU_SOURCE
#include <errno.h>
#include <unistd.h>

#include "agent.h"

struct piece {
    uint64_t offset;
    uint32_t size, at;
};

static struct piece take_piece(struct request *request) {
    struct piece piece = {.offset = take_u64(request)};
    piece.size = take_u32(request);
    piece.at = take_u32(request);
    return piece;
}

static int read_whole(int fd, unsigned char *bytes, size_t left) {
    while (left > 0) {
        ssize_t got = read(fd, bytes, left);
        if (got < 0 && errno != EINTR)
            return -errno;
        /* The client has promised the size already. */
        if (got == 0)
            return -ESTALE;
        if (got > 0) {
            bytes += got;
            left -= (size_t)got;
        }
    }
    return 0;
}

static int fill(struct agent *agent, struct handle *handle, const struct piece *piece) {
    struct target target;
    int result = path_resolve(agent, handle, agent->request.path, 0, false, &target);
    if (result < 0)
        return result;
    auto_close int fd = target_open(&target, piece->offset);
    return fd < 0 ? fd : read_whole(fd, agent->memory + piece->at, piece->size);
}

/* Every piece of a request is looked at before the first one is read. */
static int check(const struct agent *agent, struct request *request, unsigned count) {
    for (; count > 0 && !request->bad; count--) {
        int result = take_path(request, request->path);
        if (result < 0)
            return result;
        struct piece piece = take_piece(request);
        if (piece.at > agent->memory_size || piece.size > agent->memory_size - piece.at)
            return -EINVAL;
    }
    return complete(request);
}

int op_fill(struct agent *agent, struct request *request) {
    struct handle *handle = handle_at(agent, take_u32(request));
    unsigned count = take_u16(request);
    const unsigned char *first = request->next;
    int result = handle ? check(agent, request, count) : -EBADF;
    if (result < 0)
        return result;
    request->next = first;
    for (; result == 0 && count > 0; count--) {
        take_path(request, request->path);
        struct piece piece = take_piece(request);
        result = fill(agent, handle, &piece);
    }
    return result;
}
