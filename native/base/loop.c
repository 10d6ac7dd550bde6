#define _GNU_SOURCE
#include "loop.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

int watch_set(int epoll, struct watch *watch, uint32_t events) {
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch->added && watch->events == events)
        return 0;
    if (epoll_ctl(epoll, watch->added ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, watch->fd, &event) < 0)
        return -1;
    watch->added = true;
    watch->events = events;
    return 0;
}

void watch_remove(int epoll, struct watch *watch) {
    if (watch->added)
        epoll_ctl(epoll, EPOLL_CTL_DEL, watch->fd, NULL);
    watch->added = false;
}

void watch_close(int epoll, struct watch *watch) {
    watch_remove(epoll, watch);
    if (watch->fd >= 0)
        close(watch->fd);
    watch->fd = -1;
}

int loop_once(int epoll, int timeout) {
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, timeout);
    if (count < 0)
        return errno == EINTR ? 0 : -1;
    if (count == 1) {
        struct watch *watch = event.data.ptr;
        watch->ready(watch, event.events);
    }
    return count;
}
