/* Pausing a container, by its cgroup if it has one, and telling its processes; else through A, which alone may look at them and signal them. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "events.h"
#include "supervisor.h"

static int ask(struct supervisor *supervisor, enum message_kind kind, int value) {
    const struct message message = {.kind = kind, .value = value};
    /* Where others are in its pid namespace, what it has mounted tells its processes from theirs. */
    enum namespace_fd its = plan_shares(supervisor->plan, PLAN_NS_PID) ? NS_MOUNT : NS_PID;
    return message_send(supervisor->channel.fd, &message, &supervisor->namespaces[its], 1) < 0 ? EPIPE : 0;
}

static int ready(const struct supervisor *supervisor) {
    return supervisor->phase == PHASE_RUNNING ? 0 : ESRCH;
}

int freezing_begin(struct supervisor *supervisor, bool pause) {
    int error = ready(supervisor);
    if (error != 0)
        return error;
    if (supervisor->freezing)
        return EBUSY;
    error = cgroup_freeze(supervisor, pause);
    if (error == ENOENT)
        error = ask(supervisor, MESSAGE_FREEZE, pause ? supervisor->pid : -supervisor->pid);
    supervisor->freezing = error == 0;
    supervisor->pausing = pause;
    return error;
}

void freezing_done(struct supervisor *supervisor, int error) {
    bool mine = supervisor->freezing && supervisor->phase == PHASE_RUNNING;
    supervisor->freezing = false;
    if (mine && error == 0) {
        supervisor->paused = supervisor->pausing;
        lifecycle_write_live(supervisor);
        events_write(&supervisor->events, supervisor->paused ? "pause" : "unpause", "");
    }
    for (struct client *client = supervisor->relay.clients, *next; client; client = next) {
        next = client->next;
        if (!client->wants_freeze)
            continue;
        client->wants_freeze = false;
        if (!mine || error != 0)
            control_error(client, mine ? error : ESRCH, mine ? "stop its processes" : "the container is not running");
        else
            client_send(client, FRAME_DONE, "", 0);
    }
}

int freezing_list(struct supervisor *supervisor) {
    int error = ready(supervisor);
    return error == 0 ? ask(supervisor, MESSAGE_PROCESSES, supervisor->pid) : error;
}

/** Lines of pids; what does not fit into one frame is left out. */
static char *list_text(int list, size_t *length) {
    size_t size = 0;
    if (list < 0 || lseek(list, 0, SEEK_SET) < 0)
        return NULL;
    char *raw = read_all(list, 4 * 1024 * 1024, &size), *text = malloc(FRAME_MAX);
    *length = 0;
    for (size_t i = 0; raw && text && i + sizeof(pid_t) <= size && *length + 12 < FRAME_MAX; i += sizeof(pid_t)) {
        pid_t pid;
        memcpy(&pid, raw + i, sizeof pid);
        *length += (size_t)snprintf(text + *length, FRAME_MAX - *length, "%d\n", (int)pid);
    }
    free(raw);
    return text;
}

void freezing_listed(struct supervisor *supervisor, int error, int list) {
    size_t length = 0;
    auto_free char *text = error == 0 ? list_text(list, &length) : NULL;
    for (struct client *client = supervisor->relay.clients, *next; client; client = next) {
        next = client->next;
        if (!client->wants_processes)
            continue;
        client->wants_processes = false;
        if (text)
            client_send(client, FRAME_PROCESSES, text, length);
        else
            control_error(client, error ? error : ENOMEM, "list its processes");
    }
}
