/* The attach client: a person's terminal or pipes on one side, S's attach socket on the other (PROTOCOL.md section 3). */
#ifndef CORACLE_CLIENT_H
#define CORACLE_CLIENT_H

#include <stdbool.h>

struct client_options {
    /** A connected stream socket; taken over. */
    int socket;
    /** Bytes as hex that leave the container running, NULL for none. Only looked for on a terminal. */
    const char *detach_keys;
    /** The process has a terminal: ours becomes raw while attached. */
    bool tty;
    /** Our standard input goes to the process. */
    bool interactive;
    /** S may write into our pipes itself: nothing of the output has come yet. */
    bool direct;
    /** Signals sent to us go to the process. */
    bool signal_proxy;
};

/** Relays until the process ends, the user detaches, or S is gone. Returns the exit code; the terminal is as it was before. */
int client_run(const struct client_options *options);

/** What a client reads of a start that failed before there was a supervisor. */
void client_refuse(int socket, int number, const char *text, int code);

/** `coracle-sv attach`: plan on descriptor 3; `attach served`: the socket on CLIENT_FD, and nothing has come from it yet. Returns the exit code. */
int attach_main(int argc, char **argv);

#endif
