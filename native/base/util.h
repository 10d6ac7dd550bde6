/* Small things every part uses: scope-based cleanup, failures that name step, errno and
 * object, whole reads and writes, clocks, percent-encoding, descriptors over sockets. */
#ifndef CORACLE_UTIL_H
#define CORACLE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/types.h>
#include <unistd.h>

#define N_ELEMENTS(array) (sizeof(array) / sizeof((array)[0]))
#define PRINTF_LIKE(text, first) __attribute__((format(printf, text, first)))
#define auto_close __attribute__((cleanup(close_at)))
#define auto_free __attribute__((cleanup(free_at)))

/** What went wrong, as it is reported: the step, the errno (0: none), the thing it was about, the exit code it means. */
struct failure {
    const char *stage;
    int number;
    int code;
    char object[512];
};

/** Fills `failure` (exit code 125 unless set before) and returns -1. `number` is an errno or 0. */
int fail(struct failure *failure, const char *stage, int number, const char *format, ...) PRINTF_LIKE(4, 5);

static inline void close_at(int *fd) {
    if (*fd >= 0)
        close(*fd);
}

static inline void free_at(void *pointer) {
    free(*(void **)pointer);
}

/** Gives a descriptor away: returns it and leaves -1 behind. */
static inline int take_fd(int *fd) {
    int taken = *fd;
    *fd = -1;
    return taken;
}

/** Closes and forgets. */
void drop_fd(int *fd);

/** Reads until `size` bytes or the end; retries EINTR. Returns the bytes read or -1. */
ssize_t read_full(int fd, void *buffer, size_t size);
/** Writes everything; retries EINTR. Returns 0 or -1. */
int write_full(int fd, const void *buffer, size_t size);
/** Reads a whole file or pipe of at most `limit` bytes into malloc'ed memory (one NUL added). EFBIG when longer. */
char *read_all(int fd, size_t limit, size_t *size);
/** Writes `text` to an existing file with one write(2). Returns 0 or -1. */
int write_file_at(int directory, const char *path, const char *text);

/** Decimal, nothing else, at most `limit`. */
bool parse_number(const char *text, uint64_t limit, uint64_t *value);
/** Octal digits only, at most `limit`. */
bool parse_octal(const char *text, unsigned limit, unsigned *value);

/** Space, control characters, `%` and bytes above 126 become %XX; cut to fit, always terminated. Returns the length. */
size_t percent_encode(const char *text, char *out, size_t room);

/** Milliseconds of CLOCK_BOOTTIME-free monotonic time. */
int64_t monotonic_ms(void);
enum { TIME_TEXT_SIZE = 40 };
/** Now as RFC 3339 with nanoseconds, UTC: 2026-11-22T23:54:00.123456789Z. Returns the length (30). */
size_t time_text(char out[TIME_TEXT_SIZE]);

int set_nonblocking(int fd);
int set_inheritable(int fd);
/** Opens /dev/null and puts it on 0, 1 and 2. */
int null_stdio(void);
/** Puts three descriptors on 0, 1, 2 whatever numbers they have; the originals stay open unless below 3. */
int place_stdio(const int fds[3]);

/** Default dispositions and nothing blocked: what a program expects that we are about to execute. */
void reset_signals(void);

enum { MAX_PASSED_FDS = 16 };
/** Sends one message with up to MAX_PASSED_FDS descriptors; never raises SIGPIPE. Returns bytes sent or -1. */
ssize_t send_fds(int socket, const void *data, size_t size, const int *fds, size_t count);
/** Receives one message. Descriptors are O_CLOEXEC; `*count` is room in and number out; `sender` may be NULL
 *  (else the pid of SCM_CREDENTIALS in this pid namespace, 0 without). Returns bytes, 0 at the end, -1. */
ssize_t receive_fds(int socket, void *data, size_t size, int *fds, size_t *count, pid_t *sender);

/** The peer's uid of a unix stream socket, or (uid_t)-1. */
uid_t peer_uid(int socket);

#endif
