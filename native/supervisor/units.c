#define _GNU_SOURCE
#include "units.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "dbus.h"

enum { PATIENCE_MS = 10000 };

static const char service[] = "org.freedesktop.systemd1", manager_interface[] = "org.freedesktop.systemd1.Manager";
static const char bus_service[] = "org.freedesktop.DBus";

/** Reads up to `size` bytes before the deadline. */
static ssize_t read_in_time(int fd, void *buffer, size_t size, int64_t deadline) {
    for (;;) {
        int64_t left = deadline - monotonic_ms();
        struct pollfd watched = {fd, POLLIN, 0};
        int ready = left > 0 ? poll(&watched, 1, (int)left) : 0;
        if (ready == 0)
            errno = ETIMEDOUT;
        if (ready <= 0 && errno != EINTR)
            return -1;
        if (ready > 0) {
            ssize_t got = recv(fd, buffer, size, MSG_DONTWAIT);
            if (got == 0)
                errno = ECONNRESET;
            if (got > 0 || (got == 0 || (errno != EAGAIN && errno != EINTR)))
                return got > 0 ? got : -1;
        }
    }
}

static int read_all_of(int fd, unsigned char *buffer, size_t size, int64_t deadline) {
    for (size_t done = 0; done < size;) {
        ssize_t got = read_in_time(fd, buffer + done, size - done, deadline);
        if (got < 0)
            return -1;
        done += (size_t)got;
    }
    return 0;
}

/** Who we are is what the socket tells: the peer asks the kernel. Nothing follows the last line before we speak. */
static int authenticate(int fd) {
    static const char ask[] = "\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n";
    char said[512] = "";
    size_t length = 0;
    if (send(fd, ask, sizeof ask - 1, MSG_NOSIGNAL) != (ssize_t)sizeof ask - 1)
        return -1;
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    /* "DATA", then "OK" and the peer's id. */
    for (char *ok = NULL; !ok || !strstr(ok, "\r\n"); ok = strstr(said, "OK ")) {
        if (length + 1 >= sizeof said || strstr(said, "REJECTED")) {
            errno = EACCES;
            return -1;
        }
        ssize_t got = read_in_time(fd, said + length, 1, deadline);
        if (got < 0)
            return -1;
        said[length += (size_t)got] = 0;
    }
    return 0;
}

static int send_call(struct units *units, const struct dbus_target *target, const char *signature, const struct dbus_writer *body) {
    struct dbus_writer call;
    dbus_put_call(&call, target, ++units->serial, signature, body);
    errno = EMSGSIZE;
    return !call.cut && send(units->fd, call.bytes, call.size, MSG_NOSIGNAL) == (ssize_t)call.size ? 0 : -1;
}

static int ask_manager(struct units *units, const char *member, const char *signature, const struct dbus_writer *body, struct failure *failure) {
    const struct dbus_target target = {units->bus ? service : NULL, "/org/freedesktop/systemd1", manager_interface, member};
    return send_call(units, &target, signature, body) < 0 ? fail(failure, "cgroup", errno, "%s: call %s of systemd", units->unit, member) : 0;
}

/** On a bus one introduces oneself and asks for the signals; systemd itself sends them to all who are connected to it. */
static int greet_bus(struct units *units, struct failure *failure) {
    static const char rule[] = "type='signal',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'";
    const struct dbus_target hello = {bus_service, "/org/freedesktop/DBus", bus_service, "Hello"}, match = {bus_service, "/org/freedesktop/DBus", bus_service, "AddMatch"};
    struct dbus_writer body = {0};
    dbus_put_string(&body, rule);
    if (send_call(units, &hello, NULL, NULL) < 0 || send_call(units, &match, "s", &body) < 0)
        return fail(failure, "cgroup", errno, "%s: greet the bus", units->unit);
    return ask_manager(units, "Subscribe", NULL, NULL, failure);
}

int units_open(struct units *units, const struct plan_manager *manager, struct failure *failure) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    *units = (struct units){.fd = -1, .bus = manager->bus};
    size_t length = strlen(manager->socket);
    if (length >= sizeof address.sun_path)
        return fail(failure, "cgroup", ENAMETOOLONG, "by systemd at %s", manager->socket);
    memcpy(address.sun_path, manager->socket, length);
    if (manager->socket[0] == '@')
        address.sun_path[0] = 0;
    units->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (units->fd < 0 || connect(units->fd, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length + (manager->socket[0] != '@'))) < 0 || authenticate(units->fd) < 0) {
        fail(failure, "cgroup", errno, "by systemd at %s", manager->socket);
        units_close(units);
        return -1;
    }
    return units->bus ? greet_bus(units, failure) : 0;
}

static void put_text_property(struct dbus_writer *writer, const char *name, const char *value) {
    dbus_put_property(writer, name, "s");
    dbus_put_string(writer, value);
}

static void put_pids(struct dbus_writer *writer, const pid_t *pids, size_t count) {
    size_t begun = dbus_begin_array(writer, 4);
    for (size_t i = 0; i < count; i++)
        dbus_put_u32(writer, (uint32_t)pids[i]);
    dbus_end_array(writer, begun, 4);
}

static void put_flag(struct dbus_writer *writer, const char *name, bool value) {
    dbus_put_property(writer, name, "b");
    dbus_put_u32(writer, value);
}

static void put_properties(struct dbus_writer *body, const struct scope *scope) {
    size_t properties = dbus_begin_array(body, 8);
    put_text_property(body, "Description", scope->description);
    if (scope->slice)
        put_text_property(body, "Slice", scope->slice);
    dbus_put_property(body, "PIDs", "au");
    put_pids(body, scope->pids, scope->pid_count);
    put_flag(body, "Delegate", true);
    put_text_property(body, "CollectMode", "inactive-or-failed");
    if (!scope->ordered)
        put_flag(body, "DefaultDependencies", false);
    for (size_t i = 0; i < scope->property_count; i++) {
        dbus_put_property(body, scope->properties[i].name, "t");
        dbus_put_u64(body, scope->properties[i].value);
    }
    dbus_end_array(body, properties, 8);
}

int units_begin_scope(struct units *units, const struct scope *scope, struct failure *failure) {
    struct dbus_writer body = {0};
    snprintf(units->unit, sizeof units->unit, "%s", scope->unit);
    dbus_put_string(&body, scope->unit);
    dbus_put_string(&body, "fail");
    put_properties(&body, scope);
    dbus_end_array(&body, dbus_begin_array(&body, 8), 8);
    return ask_manager(units, "StartTransientUnit", "ssa(sv)a(sa(sv))", &body, failure);
}

/** What the caller of await waits for. */
enum outcome { OUTCOME_NONE, OUTCOME_DONE, OUTCOME_FAILED, OUTCOME_TAKEN };

static enum outcome fault(const struct dbus_message *message, const char *unit, struct failure *failure) {
    size_t at = 0;
    const char *text = dbus_get_string(message, &at);
    fail(failure, "cgroup", 0, "%s: %s", unit, text ? text : message->error ? message->error : "it refuses");
    return message->error && strcmp(message->error, "org.freedesktop.systemd1.UnitExists") == 0 ? OUTCOME_TAKEN : OUTCOME_FAILED;
}

/** JobRemoved: number (u), job (o), unit (s), result (s). */
static enum outcome job_removed(const struct units *units, const struct dbus_message *message, struct failure *failure) {
    size_t at = 4;
    if (!dbus_get_string(message, &at))
        return OUTCOME_NONE;
    const char *unit = dbus_get_string(message, &at), *result = unit ? dbus_get_string(message, &at) : NULL;
    if (!result || strcmp(unit, units->unit) != 0)
        return OUTCOME_NONE;
    if (strcmp(result, "done") == 0)
        return OUTCOME_DONE;
    fail(failure, "cgroup", 0, "%s: the job of systemd has ended as %s", unit, result);
    return OUTCOME_FAILED;
}

static enum outcome judge(const struct units *units, const unsigned char *bytes, size_t size, bool wants_job, struct failure *failure) {
    struct dbus_message message;
    if (!dbus_parse(bytes, size, &message))
        return OUTCOME_NONE;
    if (message.type == DBUS_ERROR && message.answers == units->serial)
        return fault(&message, units->unit, failure);
    if (message.type == DBUS_RETURN && message.answers == units->serial)
        return wants_job ? OUTCOME_NONE : OUTCOME_DONE;
    if (wants_job && message.type == DBUS_SIGNAL && message.member && strcmp(message.member, "JobRemoved") == 0)
        return job_removed(units, &message, failure);
    return OUTCOME_NONE;
}

static enum outcome await(const struct units *units, bool wants_job, struct failure *failure) {
    const int64_t deadline = monotonic_ms() + PATIENCE_MS;
    for (enum outcome outcome = OUTCOME_NONE;;) {
        unsigned char header[DBUS_HEADER];
        errno = EBADMSG;
        size_t size = read_all_of(units->fd, header, sizeof header, deadline) < 0 ? 0 : dbus_size(header);
        auto_free unsigned char *bytes = size > 0 ? malloc(size) : NULL;
        if (bytes)
            memcpy(bytes, header, sizeof header);
        if (!bytes || read_all_of(units->fd, bytes + sizeof header, size - sizeof header, deadline) < 0) {
            fail(failure, "cgroup", errno, "%s: answer of systemd", units->unit);
            return OUTCOME_FAILED;
        }
        if ((outcome = judge(units, bytes, size, wants_job, failure)) != OUTCOME_NONE)
            return outcome;
    }
}

int units_await_scope(struct units *units, bool *taken, struct failure *failure) {
    enum outcome outcome = await(units, true, failure);
    *taken = outcome == OUTCOME_TAKEN;
    return outcome == OUTCOME_DONE ? 0 : -1;
}

int units_attach(struct units *units, const char *unit, const char *path, const pid_t *pids, size_t count, struct failure *failure) {
    struct dbus_writer body = {0};
    snprintf(units->unit, sizeof units->unit, "%s", unit);
    dbus_put_string(&body, unit);
    dbus_put_string(&body, path);
    put_pids(&body, pids, count);
    if (ask_manager(units, "AttachProcessesToUnit", "ssau", &body, failure) < 0)
        return -1;
    return await(units, false, failure) == OUTCOME_DONE ? 0 : -1;
}

void units_close(struct units *units) {
    drop_fd(&units->fd);
}
