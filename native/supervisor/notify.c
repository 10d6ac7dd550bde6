#define _GNU_SOURCE
#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "supervisor.h"

static void tell(const struct plan_notify *notify, const char *text, size_t size) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t length = strlen(notify->manager);
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || length >= sizeof address.sun_path)
        return;
    memcpy(address.sun_path, notify->manager, length);
    if (address.sun_path[0] == '@')
        address.sun_path[0] = 0;
    /* Nobody may listen any more; then there is nobody to tell. */
    sendto(fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT, (struct sockaddr *)&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length));
}

static void tell_main(const struct supervisor *supervisor, const char *more) {
    char text[64];
    int length = snprintf(text, sizeof text, "MAINPID=%d%s", (int)getpid(), more);
    tell(&supervisor->plan->notify, text, (size_t)length);
}

static void tell_ready(const struct supervisor *supervisor) {
    tell_main(supervisor, "\nREADY=1");
}

/** What the container may say; pids, descriptors and requests to the manager are not its to give. */
static bool may_say(const char *line) {
    static const char *const allowed[] = {"STATUS=", "RELOADING=1", "STOPPING=1", "ERRNO=", "WATCHDOG=", "EXTEND_TIMEOUT_USEC="};
    for (size_t i = 0; i < N_ELEMENTS(allowed); i++)
        if (strncmp(line, allowed[i], strlen(allowed[i])) == 0)
            return true;
    return false;
}

static void heard(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    char text[4096];
    (void)events;
    ssize_t got = recv(watch->fd, text, sizeof text - 1, MSG_DONTWAIT);
    if (got <= 0)
        return;
    text[got] = 0;
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        if (strcmp(line, "READY=1") == 0)
            tell_ready(supervisor);
        else if (may_say(line))
            tell(&supervisor->plan->notify, line, strlen(line));
    }
}

int notify_open(struct supervisor *supervisor, struct failure *failure) {
    const struct plan_notify *notify = &supervisor->plan->notify;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (notify->mode != NOTIFY_CONTAINER)
        return 0;
    auto_close int directory = open(notify->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    snprintf(address.sun_path, sizeof address.sun_path, "/proc/self/fd/%d/notify.sock", directory);
    /* Every user of the container may write to it; nobody else reaches it, below a directory of ours. */
    if (directory < 0 || fd < 0 || (unlinkat(directory, "notify.sock", 0) < 0 && errno != ENOENT) ||
        bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || fchmodat(directory, "notify.sock", 0777, 0) < 0)
        return fail(failure, "sdnotify", errno, "%s", notify->directory);
    supervisor->notified = (struct watch){.fd = take_fd(&fd), .ready = heard, .owner = supervisor};
    return watch_set(supervisor->epoll, &supervisor->notified, EPOLLIN) < 0 ? fail(failure, "sdnotify", errno, "watch") : 0;
}

void notify_started(struct supervisor *supervisor) {
    if (supervisor->plan->notify.mode == NOTIFY_CONMON)
        tell_ready(supervisor);
    else if (supervisor->plan->notify.mode != NOTIFY_NONE)
        tell_main(supervisor, ""); /* or the service would end with the command that only started it */
}

void notify_healthy(struct supervisor *supervisor) {
    if (supervisor->plan->notify.mode == NOTIFY_HEALTHY)
        tell_ready(supervisor);
}

void notify_close(struct supervisor *supervisor) {
    watch_close(supervisor->epoll, &supervisor->notified);
}
