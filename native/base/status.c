#define _GNU_SOURCE
#include "status.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static void say(const struct status *status, const char *line) {
    if (status->fd >= 0)
        (void)!write(status->fd, line, strlen(line)); /* the reader may be gone; the container goes on */
}

static void say_pid(const struct status *status, const char *word, pid_t pid) {
    char line[40];
    snprintf(line, sizeof line, "%s %d\n", word, (int)pid);
    say(status, line);
}

void status_held(const struct status *status, pid_t pid) {
    say_pid(status, "held", pid);
}

void status_created(const struct status *status, pid_t pid) {
    say_pid(status, "created", pid);
}

void status_ready(const struct status *status, pid_t pid) {
    say_pid(status, "ready", pid);
}

void status_started(const struct status *status, pid_t pid) {
    say_pid(status, "started", pid);
}

void status_exit(const struct status *status, int code, int signal, int oom) {
    char line[64];
    snprintf(line, sizeof line, "exit %d %d %d\n", code, signal, oom);
    say(status, line);
}

void status_warning(const struct status *status, const struct failure *failure) {
    char prose[800], object[1200], encoded[sizeof prose * 3], line[sizeof object + sizeof encoded + 100];
    failure_text(failure, prose, sizeof prose);
    percent_encode(failure->object, object, sizeof object);
    percent_encode(prose, encoded, sizeof encoded);
    snprintf(line, sizeof line, "warn %s %d %s %s\n", failure->stage, failure->number, object, encoded);
    say(status, line);
    if (status->prose >= 0)
        dprintf(status->prose, "coracle: warning: %s\n", prose);
}

void status_error(const struct status *status, const struct failure *failure) {
    char prose[900], object[1200], encoded[sizeof prose * 3], line[sizeof object + sizeof encoded + 100];
    failure_prose(failure, prose, sizeof prose);
    percent_encode(failure->object, object, sizeof object);
    percent_encode(prose, encoded, sizeof encoded);
    snprintf(line, sizeof line, "error %s %d %s %d %s\n", failure->stage, failure->number, object, failure->code, encoded);
    say(status, line);
}

/** What the user can do. */
static const char *hint_of(const struct failure *failure) {
    static const char *const hints[][2] = {
        {"publish", "choose another host port, or stop what uses it"},
        {"idmap", "coracle doctor says what user namespaces need on this host"},
        {"userns", "coracle doctor says what user namespaces need on this host"},
        {"overlay", "choose another driver with --storage-driver fuse-overlayfs or copy; coracle doctor says which work here"},
        {"fuse", "install fuse-overlayfs and make /dev/fuse accessible; coracle doctor says more"},
        {"network", "choose another network with --network slirp4netns, host or none; coracle doctor says which work here"},
        {"cgroup", "loginctl enable-linger keeps the user's systemd; --cgroups disabled does without cgroup and limits; coracle doctor says more"},
        {"user", "name a user of the image, or a number that the container has an id for; coracle info says how many those are"},
    };
    if (failure->number == EMFILE || failure->number == ENFILE)
        return "raise the limit of open files: ulimit -n";
    for (size_t i = 0; failure->stage && i < N_ELEMENTS(hints); i++)
        if (strcmp(failure->stage, hints[i][0]) == 0)
            return hints[i][1];
    return NULL;
}

static const char *verb_of(const char *stage) {
    static const char *const verbs[][2] = {
        {"exec", "execute"},        {"cwd", "enter"},        {"mount", "mount"},        {"mask", "mask"},        {"overlay", "mount overlay"},
        {"fuse", "start fuse-overlayfs"}, {"publish", "publish"}, {"user", "resolve user"}, {"network", "set up network"}, {"network-of", "use the network of the other container"}, {"idmap", "map ids"},
        {"userns", "create user namespace"}, {"seccomp", "load seccomp filter"}, {"lock", "lock"}, {"connect", "reach"}, {"namespaces", "join namespaces:"}, {"start", "start container"}, {"plan", "read plan"}, {"log", "open log"},
        {"tty", "open terminal"}, {"sysctl", "set sysctl"}, {"binfmt", "register emulator"}, {"hostname", "set hostname"}, {"device", "add device"}, {"socket", "listen on"}, {"rlimit", "set limit"}, {"hook", "run hook"}, {"console", "hand on terminal"}, {"cgroup", "make cgroup"}, {"limit", "set limit"},
    };
    for (size_t i = 0; i < N_ELEMENTS(verbs); i++)
        if (strcmp(stage, verbs[i][0]) == 0)
            return verbs[i][1];
    return stage;
}

/** What an errno means of a container that is to be started. */
static const char *start_reason(int number) {
    return number == EBUSY ? "it is running already" : number == ENOENT ? "it was removed" : number == ECANCELED ? "it was stopped meanwhile" : NULL;
}

/** In lower case, as every message of ours. */
static const char *reason_of(const struct failure *failure) {
    static char text[100];
    const int number = failure->number;
    const char *reason = strcmp(failure->stage, "start") == 0 ? start_reason(number) : NULL;
    if (reason)
        return reason;
    snprintf(text, sizeof text, "%s", number == EMFILE ? "too many open files" : strerror(number));
    if (text[0] >= 'A' && text[0] <= 'Z' && !(text[1] >= 'A' && text[1] <= 'Z'))
        text[0] = (char)(text[0] - 'A' + 'a');
    return text;
}

void failure_text(const struct failure *failure, char *out, size_t room) {
    const char *verb = verb_of(failure->stage);
    if (failure->number == 0)
        snprintf(out, room, "%s %s", verb, failure->object);
    else
        snprintf(out, room, "%s %s: %s", verb, failure->object, reason_of(failure));
    /* Objects come from images too: nothing in them may drive a terminal. */
    for (char *at = out; *at; at++)
        if ((unsigned char)*at < ' ' || *at == 127)
            *at = '?';
}

void failure_prose(const struct failure *failure, char *out, size_t room) {
    const char *hint = hint_of(failure);
    failure_text(failure, out, room);
    size_t length = strlen(out);
    if (hint)
        snprintf(out + length, room - length, "\nhint: %s", hint);
}

int failure_refuse(const struct failure *failure) {
    char text[900];
    failure_prose(failure, text, sizeof text);
    fprintf(stderr, "coracle: %s\n", text);
    return failure->code ? failure->code : 125;
}
