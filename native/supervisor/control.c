#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/syscalls.h"
#include "client-io.h"
#include "container/terminal.h"
#include "events.h"
#include "network/publish.h"
#include "supervisor.h"

static uint32_t get_u32(const unsigned char *bytes) {
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

void control_error(struct client *client, int number, const char *text) {
    char payload[256] = {(char)(number >> 24), (char)(number >> 16), (char)(number >> 8), (char)number};
    size_t length = strlen(text);
    if (length > sizeof payload - 4)
        length = sizeof payload - 4;
    memcpy(payload + 4, text, length);
    client_send(client, FRAME_ERROR, payload, 4 + length);
}

static const char *state_name(const struct supervisor *supervisor) {
    static const char *const names[] = {"starting", "running", "exiting", "restarting", "exiting", "exited"};
    return supervisor->phase == PHASE_RUNNING && supervisor->paused ? "paused" : names[supervisor->phase];
}

static void answer_hello(struct supervisor *supervisor, struct client *client) {
    char text[256];
    int length = snprintf(text, sizeof text, "state=%s\npid=%d\ntty=%d\nstarted=%s\nrestarts=%u\nlogDropped=%llu\n", state_name(supervisor), (int)supervisor->pid,
                          supervisor->plan->tty, supervisor->started, supervisor->restarts, (unsigned long long)supervisor->log.dropped);
    client_send(client, FRAME_STATE, text, (size_t)length);
}

static void do_signal(struct supervisor *supervisor, struct client *client, uint32_t number) {
    if (number == 0 || number > 64)
        control_error(client, EINVAL, "signal number");
    else if (supervisor->pidfd < 0)
        control_error(client, ESRCH, "the container is not running");
    else if (sys_pidfd_signal(supervisor->pidfd, (int)number) < 0)
        control_error(client, errno, "signal the container");
    else {
        supervisor->stopped = supervisor->stopped || number == 9;
        supervisor->user_stopped = supervisor->user_stopped || number == 9;
        events_write(&supervisor->events, "kill", "");
        client_send(client, FRAME_DONE, "", 0);
    }
}

static void do_stop(struct supervisor *supervisor, struct client *client, const unsigned char *payload, size_t size) {
    uint32_t number = size >= 4 ? get_u32(payload) : UINT32_MAX, timeout = size >= 8 ? get_u32(payload + 4) : UINT32_MAX;
    const struct plan *plan = supervisor->plan;
    if (number != UINT32_MAX && (number == 0 || number > 64)) {
        control_error(client, EINVAL, "signal number");
        return;
    }
    client_send(client, FRAME_DONE, "", 0);
    supervisor->stop_asked = supervisor->user_stopped = true;
    lifecycle_stop(supervisor, number == UINT32_MAX ? plan->stop_signal : (int)number, timeout == UINT32_MAX ? plan->stop_timeout_ms : timeout);
}

/** Descriptors travel with the first byte of the answer, so nothing may be queued before it. */
static void send_namespaces(struct supervisor *supervisor, struct client *client) {
    int fds[2 + NS_COUNT] = {supervisor->pidfd};
    char frame[FRAME_HEADER + 512] = {FRAME_NAMESPACES};
    const struct plan_cgroup *cgroup = &supervisor->plan->cgroup;
    size_t count = supervisor->cgroup.directory < 0 ? 1 + NS_COUNT : 2 + NS_COUNT;
    if (supervisor->phase != PHASE_RUNNING) {
        control_error(client, ESRCH, "it is not running");
        return;
    }
    memcpy(fds + 1, supervisor->namespaces, sizeof supervisor->namespaces);
    fds[1 + NS_COUNT] = supervisor->cgroup.directory;
    size_t room = sizeof frame - FRAME_HEADER, length = (size_t)snprintf(frame + FRAME_HEADER, room, "single=%d\npaused=%d\n", supervisor->plan->ids.how == ID_MAP_SINGLE, supervisor->paused);
    if (*supervisor->cgroup.units.unit)
        length += (size_t)snprintf(frame + FRAME_HEADER + length, room - length, "scope=%s %s %s\n", supervisor->cgroup.units.unit, cgroup->manager.bus ? "bus" : "private", cgroup->manager.socket);
    frame[6] = (char)(length >> 8);
    frame[7] = (char)length;
    if (client->out.end > client->out.start || send_fds(client->watch.fd, frame, FRAME_HEADER + length, fds, count) != (ssize_t)(FRAME_HEADER + length))
        client_leave(client);
}

static void send_ports(struct supervisor *supervisor, struct client *client) {
    char *text = malloc(FRAME_MAX);
    if (!text) {
        control_error(client, ENOMEM, "ports");
        return;
    }
    size_t length = publish_text(supervisor->plan, supervisor->ports, text, FRAME_MAX);
    client_send(client, FRAME_PORTS, text, length);
    free(text);
}

static void do_pause(struct supervisor *supervisor, struct client *client, bool pause) {
    if (supervisor->phase == PHASE_RUNNING && pause == supervisor->paused) {
        control_error(client, EALREADY, pause ? "it is paused already" : "it is not paused");
        return;
    }
    int error = freezing_begin(supervisor, pause);
    client->wants_freeze = error == 0;
    if (error != 0)
        control_error(client, error, error == ESRCH ? "the container is not running" : error == EBUSY ? "somebody else pauses it now" : "pause the container");
}

static void do_list(struct supervisor *supervisor, struct client *client) {
    int error = freezing_list(supervisor);
    client->wants_processes = error == 0;
    if (error != 0)
        control_error(client, error, error == ESRCH ? "the container is not running" : "list its processes: it shares the host's");
}

static void do_health(struct supervisor *supervisor, struct client *client) {
    int error = health_check(supervisor);
    client->wants_health = error == 0;
    if (error != 0)
        control_error(client, error, error == ENOENT ? "it has no health check" : error == ESRCH ? "the container is not running" : "check its health");
}

/** A plan of what changes, of which checks or events keep the strings. Checks begin anew, with what they count. */
static void do_update(struct supervisor *supervisor, struct client *client, const unsigned char *payload, size_t size) {
    struct plan update;
    struct failure failure = {0};
    char *buffer = malloc(size + 1);
    if (!buffer) {
        control_error(client, ENOMEM, "update");
        return;
    }
    if (size > 0)
        memcpy(buffer, payload, size);
    if (plan_parse(buffer, size, PLAN_UPDATE, &update, &failure) < 0) {
        plan_free(&update);
        control_error(client, EINVAL, "what the update says cannot be read");
        return;
    }
    if (update.has_restart) {
        supervisor->restart_policy = update.restart;
        supervisor->restart_limit = update.restart_limit;
    }
    if (update.has_health) {
        health_end(supervisor);
        supervisor->checks = update.health;
        plan_free(&supervisor->health_update);
        supervisor->health_update = update;
        if (supervisor->phase == PHASE_RUNNING)
            health_begin(supervisor);
    } else if (update.events.path) {
        supervisor->events = update.events;
        plan_free(&supervisor->events_update);
        supervisor->events_update = update;
    } else {
        plan_free(&update);
    }
    client_send(client, FRAME_DONE, "", 0);
}

/** What the container is on is read again from its file. */
static void do_networks(struct supervisor *supervisor, struct client *client, const unsigned char *payload, size_t size) {
    int error = membership_change(supervisor, (const char *)payload, size);
    client->wants_networks = error == 0;
    if (error != 0)
        control_error(client, error, error == ENOENT ? "it is not on user-defined networks" : error == EAGAIN ? "its networks are being set up: try again" : "tell the holder of networks");
}

static void reopen_log(struct supervisor *supervisor, struct client *client) {
    if (supervisor->log.format != LOG_K8S && supervisor->log.format != LOG_JSON)
        control_error(client, ENOENT, "the container has no log file");
    else if (log_reopen(&supervisor->log) < 0)
        control_error(client, errno, "reopen the log");
    else
        client_send(client, FRAME_DONE, "", 0);
}

void control_frame(void *owner, struct client *client, unsigned type, const unsigned char *payload, size_t size) {
    struct supervisor *supervisor = owner;
    switch (type) {
    case FRAME_HELLO:
        answer_hello(supervisor, client);
        if (size > 0 && (payload[0] == 1 || payload[0] == 2) && !client->lossless) /* of that one the start tells */
            events_write(&supervisor->events, "attach", "");
        break;
    case FRAME_RESIZE:
        if (size >= 4 && supervisor->plan->tty && supervisor->relay.streams[0].watch.fd >= 0)
            terminal_resize(supervisor->relay.streams[0].watch.fd, (unsigned)(payload[0] << 8 | payload[1]), (unsigned)(payload[2] << 8 | payload[3]));
        break;
    case FRAME_SIGNAL:
        do_signal(supervisor, client, size >= 4 ? get_u32(payload) : 0);
        break;
    case FRAME_STOP:
        do_stop(supervisor, client, payload, size);
        break;
    case FRAME_WAIT:
        client->waits = true;
        break;
    case FRAME_NAMESPACES:
        send_namespaces(supervisor, client);
        break;
    case FRAME_MEMBER:
        client->member = true;
        break;
    case FRAME_PORTS:
        send_ports(supervisor, client);
        break;
    case FRAME_REOPEN_LOG:
        reopen_log(supervisor, client);
        break;
    case FRAME_PAUSE:
        do_pause(supervisor, client, size >= 1 && payload[0] != 0);
        break;
    case FRAME_HEALTH:
        do_health(supervisor, client);
        break;
    case FRAME_UPDATE:
        do_update(supervisor, client, payload, size);
        break;
    case FRAME_NETWORKS:
        do_networks(supervisor, client, payload, size);
        break;
    case FRAME_PROCESSES:
        do_list(supervisor, client);
        break;
    case FRAME_START: /* a container starts when its supervisor does */
        client_send(client, FRAME_DONE, "", 0);
        break;
    default:
        break;
    }
}
