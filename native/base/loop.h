/* One thread's event loop over epoll. */
#ifndef CORACLE_LOOP_H
#define CORACLE_LOOP_H

#include <stdbool.h>
#include <stdint.h>

struct watch;
typedef void watch_ready(struct watch *watch, uint32_t events);

/** A watched descriptor; `fd` -1 while there is none. Owned by whoever embeds it. */
struct watch {
    int fd;
    uint32_t events;
    bool added;
    watch_ready *ready;
    void *owner;
};

/** Watches for `events` (0: keeps the registration, reports only hang-ups and errors). Returns 0 or -1. */
int watch_set(int epoll, struct watch *watch, uint32_t events);
/** Stops watching; the descriptor stays open. */
void watch_remove(int epoll, struct watch *watch);
/** Stops watching and closes. */
void watch_close(int epoll, struct watch *watch);
/** Handles at most one event, so that no handler can meet a watch that another one has just freed. `timeout` in ms, -1: none. */
int loop_once(int epoll, int timeout);

#endif
