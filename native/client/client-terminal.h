/* The user's terminal, and writing to descriptors that others share. */
#ifndef CORACLE_CLIENT_TERMINAL_H
#define CORACLE_CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>
#include <termios.h>

struct user_terminal {
    bool raw;
    struct termios before;
};

/** Makes standard input's terminal raw, remembering how it was. */
void user_terminal_raw(struct user_terminal *terminal);
void user_terminal_restore(struct user_terminal *terminal);
/** Rows and columns of the terminal on 0, 1 or 2; false when there is none. */
bool user_terminal_size(unsigned *rows, unsigned *columns);
/** Standard stream `fd` as a descriptor that does not block and shares no flags with other programs; `fd` itself where there is no way. */
int user_stream(int fd);

enum { DETACH_KEYS_MAX = 32 };

/** Finds the detach keys in what is typed. Bytes that may still become the keys are held back. */
struct detach_keys {
    unsigned char keys[DETACH_KEYS_MAX];
    size_t count, matched;
};

/** `hex` has been checked by the plan parser. */
void detach_keys_set(struct detach_keys *keys, const char *hex);
/** Filters `size` bytes into `out` (room for size + DETACH_KEYS_MAX). Returns their number; `*detached` when the keys were complete. */
size_t detach_keys_filter(struct detach_keys *keys, const unsigned char *in, size_t size, unsigned char *out, bool *detached);

#endif
