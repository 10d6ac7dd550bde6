/* The attach client: a terminal or pipes on one side, the frames of PROTOCOL.md section 3 on the other. */
#ifndef CORACLE_CLIENT_H
#define CORACLE_CLIENT_H

#include <stdbool.h>

struct client_options {
    /** A connected stream socket to S; taken over. */
    int socket;
    /** Bytes as hex, NULL: none. */
    const char *detach_keys;
    bool tty, interactive, signal_proxy;
};

/** Runs to the container's exit or the detach keys. Returns the exit code for the process. */
int client_run(const struct client_options *options);
/** `coracle-sv attach`. */
int attach_main(int argc, char **argv);

#endif
