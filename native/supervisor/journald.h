/* Lines of a container's log as entries of systemd's journal: https://systemd.io/JOURNAL_NATIVE_PROTOCOL/ */
#ifndef CORACLE_JOURNALD_H
#define CORACLE_JOURNALD_H

#include "log.h"

/** A socket for entries, not connected: the journal may start anew meanwhile. -1 on failure. */
int journald_open(void);
/** Sends one entry; `complete` tells a line from a part of one. Returns 0 or -1. */
int journald_send(const struct log *log, int stream, const char *data, size_t size, bool complete);

#endif
