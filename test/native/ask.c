/* A client of the attach socket for tests: ask SOCKET TYPE[:HEX]... sends the frames, then prints what comes back
 * (`TYPE text` a line each) until the other side closes, an exit or error frame came, or nothing comes for 2.5 seconds. */
#define _GNU_SOURCE
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "supervisor/relay.h"

static void send_frame(int fd, char *text) {
    unsigned char frame[FRAME_HEADER + 256] = {0};
    size_t size = 0;
    char *hex = strchr(text, ':');
    for (char *at = hex ? hex + 1 : NULL; at && at[0] && at[1]; at += 2) {
        unsigned byte = 0;
        sscanf(at, "%2x", &byte);
        frame[FRAME_HEADER + size++] = (unsigned char)byte;
    }
    frame[0] = (unsigned char)atoi(text);
    frame[7] = (unsigned char)size;
    write_full(fd, frame, FRAME_HEADER + size);
}

int main(int argc, char **argv) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    static char payload[FRAME_MAX + 1];
    unsigned char header[FRAME_HEADER];
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    if (argc < 3 || snprintf(address.sun_path, sizeof address.sun_path, "%s", argv[1]) < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
        perror("ask");
        return 1;
    }
    for (int i = 2; i < argc; i++)
        send_frame(fd, argv[i]);
    for (struct pollfd watched = {.fd = fd, .events = POLLIN}; poll(&watched, 1, 2500) == 1;) {
        if (read_full(fd, header, sizeof header) != (ssize_t)sizeof header)
            break;
        size_t size = (size_t)header[5] << 16 | (size_t)header[6] << 8 | header[7];
        if (size > FRAME_MAX || read_full(fd, payload, size) != (ssize_t)size)
            break;
        payload[size] = 0;
        size_t skip = header[0] == FRAME_ERROR && size >= 4 ? 4 : 0;
        printf("%d %s\n", header[0], payload + skip);
        fflush(stdout);
        if (header[0] == FRAME_EXIT || header[0] == FRAME_ERROR || header[0] == FRAME_PORTS)
            break;
    }
    return 0;
}
