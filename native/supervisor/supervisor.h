/* S: the host-side supervisor of one container. supervisor.c starts it and loops, lifecycle.c follows the container
 * from start to final exit, control.c answers the frames of clients. */
#ifndef CORACLE_SUPERVISOR_H
#define CORACLE_SUPERVISOR_H

#include "base/message.h"
#include "base/status.h"
#include "cgroup.h"
#include "health.h"
#include "network/membership.h"
#include "plan/plan.h"
#include "record.h"
#include "relay.h"

enum phase {
    PHASE_STARTING, /* A and I are being made */
    PHASE_RUNNING,  /* execve has succeeded */
    PHASE_DRAINING, /* I has ended, its last output is still in the pipes */
    PHASE_BACKOFF,  /* waiting to start again */
    PHASE_CLEANING, /* A renames and removes */
    PHASE_OVER,
};

struct deadline {
    int64_t at; /* monotonic ms, 0: not set */
};

struct supervisor {
    const struct plan *plan;
    /** What an update may change; the plan's at first. The updates hold the strings of the last ones. */
    enum restart_policy restart_policy;
    unsigned restart_limit;
    struct plan_health checks;
    struct plan_events events;
    struct plan health_update, events_update;
    /** Its process was executed and has not ended; somebody asked for its end. */
    bool alive, stop_asked;
    /** It was started for a client in the foreground. */
    bool foreground;
    /** Asked by a client: at a boot an `unless-stopped` container stays as it is. */
    bool user_stopped;
    /** Connection to the holder of the pod, which counts its members by them; -1: none. */
    int pod;
    int epoll;
    struct status status;
    /** Told by a byte (the exit code) when the caller of `detach` may go; -1 else. */
    int notify;
    struct record record;
    struct log log;
    struct relay relay;
    struct watch signals, channel, report, notified;
    pid_t infra;
    int infra_pidfd;
    int *listeners;
    uint16_t *ports;

    enum phase phase;
    /** What A sets up of the network, and what the holder of networks does; true where there is nothing to wait for. */
    bool helper_ready, member_ready;
    bool init_ready, gone_ahead, announced, stopped, output_ended, cleaned;
    /** A stops the processes or has stopped them; what is asked of it now. */
    bool paused, pausing, freezing;
    /** A failed health check ended it: it starts again whatever its policy. */
    bool restart_wanted;
    struct health health;
    struct membership membership;
    struct cgroup cgroup;
    pid_t pid;
    int pidfd;
    int namespaces[NS_COUNT];
    struct deadline kill, timeout, restart, drain;
    unsigned restarts, quick_failures;
    int64_t started_at;
    char started[TIME_TEXT_SIZE];
    int wait_status;
    struct failure failure;
    char exit_text[RECORD_SIZE];
};

struct supervisor_options {
    const struct plan *plan;
    int status_fd;
    int notify_fd;
    /** The client that runs in the foreground, -1: none. */
    int client_fd;
    /** Where warnings are shown while starting, -1: nowhere. */
    int prose_fd;
    /** The caller's streams for the container, -1: pipes. */
    int passed[3];
};

/** Runs the container to its final exit. Returns the exit code for the process. */
int supervisor_run(const struct supervisor_options *options);

/* supervisor.c */
/** Makes the container's streams and asks A for a new I. */
int supervisor_spawn(struct supervisor *supervisor, struct failure *failure);

/** Reaps children that nobody waits for. */
void supervisor_reap(const struct supervisor *supervisor);

/* lifecycle.c */
/** Lets I execve once the network and everything else is ready. */
void lifecycle_go_ahead(struct supervisor *supervisor);
/** I's report socket has ended: execve succeeded, or I died. */
void lifecycle_reported(struct supervisor *supervisor);
/** I has ended with a wait status. */
void lifecycle_exited(struct supervisor *supervisor, int wait_status);
/** Something failed for good: kills what runs; the first failure is kept. */
void lifecycle_failed(struct supervisor *supervisor, const struct failure *failure);
/** The container's output has come to its end. */
void lifecycle_drained(struct supervisor *supervisor);
/** A has cleaned up, or is gone. */
void lifecycle_over(struct supervisor *supervisor);
/** Waits for A, which lifecycle_over has killed. */
void lifecycle_reap(struct supervisor *supervisor);
/** Kills what runs. */
void lifecycle_kill(struct supervisor *supervisor);
/** Signals the container and arms the kill. */
void lifecycle_stop(struct supervisor *supervisor, int signal, uint64_t timeout_ms);
/** Writes the record of who runs. */
void lifecycle_write_live(struct supervisor *supervisor);
/** Milliseconds until the next deadline, -1: none; and what is due. */
int lifecycle_delay(const struct supervisor *supervisor);
void lifecycle_due(struct supervisor *supervisor);

/* freezing.c */
/** Asks A to stop all processes, or to let them go on; 0, or an errno. */
int freezing_begin(struct supervisor *supervisor, bool pause);
/** A's answers, passed on to the clients that asked. */
void freezing_done(struct supervisor *supervisor, int error);
void freezing_listed(struct supervisor *supervisor, int error, int list);
/** Asks A for the processes; 0, or an errno. */
int freezing_list(struct supervisor *supervisor);

/* control.c */
void control_error(struct client *client, int number, const char *text);
void control_frame(void *owner, struct client *client, unsigned type, const unsigned char *payload, size_t size);

#endif
