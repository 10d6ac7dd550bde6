/* Between a container's standard streams and those attached to it: the frames of PROTOCOL.md section 3,
 * with flow control. A lossless client (the one in the foreground) slows the container down; others are dropped when they lag. */
#ifndef CORACLE_RELAY_H
#define CORACLE_RELAY_H

#include "base/loop.h"
#include "log.h"

enum { FRAME_HEADER = 8, FRAME_MAX = 65536 };
enum frame_type {
    FRAME_STDIN = 0,
    FRAME_STDIN_END = 4,
    FRAME_RESIZE = 5,
    FRAME_SIGNAL = 6,
    FRAME_DETACH = 7,
    FRAME_OUTPUT = 8,
    FRAME_HELLO = 16,
    FRAME_START = 17,
    FRAME_STOP = 18,
    FRAME_WAIT = 19,
    FRAME_NAMESPACES = 20,
    FRAME_REOPEN_LOG = 22,
    FRAME_PAUSE = 23,
    FRAME_PORTS = 24,
    FRAME_PROCESSES = 25,
    FRAME_HEALTH = 26,
    FRAME_UPDATE = 27,
    FRAME_NETWORKS = 28,
    FRAME_MEMBER = 29,
    FRAME_STDOUT = 1,
    FRAME_STDERR = 2,
    FRAME_STATE = 32,
    FRAME_EXIT = 33,
    FRAME_ERROR = 34,
    FRAME_DONE = 35,
};

struct buffer {
    char *data;
    size_t start, end, room;
};

struct relay;
struct client;

/** A client's own pipe for a stream (direct.h); its `watch.fd` is -1 where it has none. */
struct direct {
    struct watch watch;
    struct client *client;
    bool blocked;
};

struct client {
    struct watch watch;
    struct relay *relay;
    struct client *next;
    bool output, input, lossless, waits, leaving;
    /** Asked for the processes; asked to pause or go on. */
    bool wants_processes, wants_freeze, wants_networks, wants_health;
    unsigned char header[FRAME_HEADER];
    size_t header_got;
    char *payload;
    size_t payload_size, payload_got;
    struct buffer out;
    /** It is the supervisor of a member of the pod whose namespaces are held here. */
    bool member;
    /** It said hello. Frames of output went to it. */
    bool greeted, sent_output;
    /** Descriptors that came and no frame has told the use of. */
    int passed[2];
    size_t passed_count;
    struct direct direct[2];
};

struct stream {
    struct watch watch;
    struct relay *relay;
    int number; /* FRAME_STDOUT or FRAME_STDERR */
};

struct relay {
    int epoll;
    void *owner;
    /** A frame that is not about the streams. */
    void (*control)(void *owner, struct client *client, unsigned type, const unsigned char *payload, size_t size);
    /** The client in the foreground went before it said a word: whoever asked for this does not want it any more. NULL: nobody cares. */
    void (*deserted)(void *owner);
    /** The last supervisor of a member has gone. NULL: nobody cares. */
    void (*emptied)(void *owner);
    /** Both output streams have ended. */
    void (*ended)(void *owner);
    struct stream streams[2];
    /** The caller's own streams for the container; -1 where it gets pipes. */
    int passed[3];
    struct watch input, listener;
    struct buffer pending_input;
    struct client *clients;
    struct log *log;
    bool tty, stdin_once, input_ended, paused, hurry;
    /** The container takes no input any more, or none at all. Until its streams are there input waits for them. */
    bool input_gone;
    /** When something last came out of the container (monotonic ms). */
    int64_t last_output;
};

void relay_init(struct relay *relay, int epoll, void *owner);
/** Takes the container's ends over: stdout and stderr to read (-1: none), stdin to write (-1: none). With a terminal `output` is also the input. */
int relay_streams(struct relay *relay, int output, int errors, int input);
/** Closes the streams (before a restart, at the end). */
void relay_close_streams(struct relay *relay);
/** Listens for clients at `path`; 0600, a stale socket there is replaced. */
int relay_listen(struct relay *relay, const char *path, struct failure *failure);
/** Adds a connected client. Takes `fd` over. */
struct client *relay_add(struct relay *relay, int fd, bool lossless);
/** Reads everything that is left without regard to slow clients; true while a stream is still open. */
bool relay_hurry(struct relay *relay);
/** Frames to one client, or to all for which `wants` holds (NULL: all). */
void client_send(struct client *client, unsigned type, const void *data, size_t size);
void relay_broadcast(struct relay *relay, unsigned type, const char *text);
/** The client is closed once what is queued for it has left. */
void client_leave(struct client *client);
/** True while some client still has bytes to come. */
bool relay_flushing(const struct relay *relay);
void relay_free(struct relay *relay);

#endif
