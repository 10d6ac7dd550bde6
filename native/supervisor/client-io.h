/* The clients' side of the relay; private to relay.c and client-io.c. */
#ifndef CORACLE_CLIENT_IO_H
#define CORACLE_CLIENT_IO_H

#include "relay.h"

enum { SOCKET_SIZE = 1 << 20, LOSSY_LIMIT = 4 << 20 };

/** The listener has a connection; only its owner's uid is let in. */
void client_arrived(struct watch *watch, uint32_t events);
/** Closes and frees. */
void client_close(struct client *client);
/** Reads from clients again after standard input took what was pending. */
void clients_resume_input(struct relay *relay);
/** Pauses or resumes the streams by what the lossless clients have queued. */
void relay_flow(struct relay *relay);
/** Bytes for the container's standard input, and its end. */
void relay_write_input(struct relay *relay, const unsigned char *data, size_t size);
void relay_end_input(struct relay *relay);
int relay_flush_input(struct relay *relay);

#endif
