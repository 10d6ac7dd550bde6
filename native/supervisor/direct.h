/* A foreground client's own pipes, handed to S: output goes into them inside the kernel, past the client. */
#ifndef CORACLE_DIRECT_H
#define CORACLE_DIRECT_H

#include "relay.h"

/**
 * Takes the pipes that a client sent, one for each stream whose bit (1 stdout, 2 stderr) is set in `streams`. Where output has
 * gone to the client as frames already, or what came is no pipe, the frames go on.
 */
void direct_accept(struct client *client, unsigned streams);
/** The client that takes this stream by its own pipe; NULL: none does. */
struct client *direct_client(struct relay *relay, const struct stream *stream);
/**
 * Copies what the container wrote into the client's pipe, at most `room` bytes, which stay to be read. With `move` they do not stay.
 * Returns their number; 0: there is nothing, or the stream has ended; -1: the pipe takes nothing now, and the streams wait for it;
 * -2: it never will again, frames go on in its place.
 */
ssize_t direct_copy(struct client *client, const struct stream *stream, size_t room, bool move);
/** True while output waits for one of the client's pipes. */
bool direct_blocked(const struct client *client);
/** Closes the client's pipes: what comes now comes as frames. */
void direct_end(struct client *client);
/** Keeps descriptors that came with a client's bytes until a frame says what they are. */
void direct_keep(struct client *client, const int *fds, size_t count);

#endif
