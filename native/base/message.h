/* What the supervisor S, the infra process A and the container's init I tell each other over
 * SEQPACKET socket pairs. All three run the same image, so a failure's stage may travel as a pointer. */
#ifndef CORACLE_MESSAGE_H
#define CORACLE_MESSAGE_H

#include "util.h"

enum message_kind {
    /* A or I to S */
    MESSAGE_FAILURE,
    MESSAGE_WARNING,
    MESSAGE_LOOSE,   /* I of a bundle: it does not depend on its parent any more */
    MESSAGE_READY,   /* I: everything but execve is done; descriptors follow enum ready_fd */
    MESSAGE_NETWORK, /* A: the network helper is ready */
    MESSAGE_NETNS,   /* S: asks for them; A: descriptors: the network namespace that was made, a netlink socket in it; else value is an errno */
    MESSAGE_EXITED,  /* A: value is the wait status of I */
    MESSAGE_CLEANED, /* A: renames and removals are done */
    MESSAGE_FOUND,   /* A: answer to MESSAGE_PROCESSES; value is an errno, the descriptor holds the pids (pid_t) */
    MESSAGE_FROZEN,  /* A: answer to MESSAGE_FREEZE; value is an errno */
    /* S to A */
    MESSAGE_SPAWN, /* descriptors: stdin, stdout, stderr, the report socket of I, its cgroup if it has one */
    MESSAGE_CLEAN,
    MESSAGE_PROCESSES, /* value is the pid of I; the descriptor is the container's pid namespace */
    MESSAGE_SWEEP,     /* the descriptor is the mount namespace of what is to be killed */
    MESSAGE_FREEZE,    /* the same; a negative value lets them go on */
    /* S to I */
    MESSAGE_GO,
};

struct message {
    enum message_kind kind;
    int value;
    struct failure failure;
};

/** Order of the namespace descriptors, wherever they travel. */
enum namespace_fd { NS_USER, NS_MOUNT, NS_PID, NS_NET, NS_IPC, NS_UTS, NS_CGROUP, NS_COUNT };
/** Descriptors of MESSAGE_READY: the container's pidfd, its namespaces, then the terminal's master if it has one. */
enum ready_fd { READY_PIDFD, READY_NS, READY_MASTER = READY_NS + NS_COUNT, READY_COUNT };

/** Sends one message; -1 when the peer is gone. */
int message_send(int socket, const struct message *message, const int *fds, size_t count);
/** Receives one; 1, 0 at the end of the connection, -1. Arguments as of receive_fds. */
int message_receive(int socket, struct message *message, int *fds, size_t *count, pid_t *sender);
/** Sends a failure (or, with MESSAGE_WARNING, a warning); best effort, the receiver may be gone. */
void message_complain(int socket, enum message_kind kind, const struct failure *failure);
/** Warns: a formatted object with its stage and errno. */
void message_warn(int socket, const char *stage, int number, const char *format, ...) PRINTF_LIKE(4, 5);

/** From now on failures and warnings of this process are lines as of status.h: what it reports to is another program. */
void message_as_text(void);

#endif
