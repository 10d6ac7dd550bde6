#define _GNU_SOURCE
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

int fail(struct failure *failure, const char *stage, int number, const char *format, ...) {
    va_list arguments;
    failure->stage = stage;
    failure->number = number;
    if (failure->code == 0)
        failure->code = 125;
    va_start(arguments, format);
    vsnprintf(failure->object, sizeof failure->object, format, arguments);
    va_end(arguments);
    return -1;
}

void drop_fd(int *fd) {
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

ssize_t read_full(int fd, void *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, (char *)buffer + done, size - done);
        if (got == 0)
            break;
        if (got > 0)
            done += (size_t)got;
        else if (errno != EINTR)
            return -1;
    }
    return (ssize_t)done;
}

int write_full(int fd, const void *buffer, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t put = write(fd, (const char *)buffer + done, size - done);
        if (put >= 0)
            done += (size_t)put;
        else if (errno != EINTR)
            return -1;
    }
    return 0;
}

char *read_all(int fd, size_t limit, size_t *size) {
    size_t room = 4096, done = 0;
    char *buffer = malloc(room + 1);
    while (buffer) {
        ssize_t got = read_full(fd, buffer + done, room - done);
        if (got < 0)
            break;
        done += (size_t)got;
        if (done < room) {
            buffer[done] = 0;
            *size = done;
            return buffer;
        }
        if (done > limit) {
            errno = EFBIG;
            break;
        }
        room *= 2;
        char *larger = realloc(buffer, room + 1);
        if (!larger)
            break;
        buffer = larger;
    }
    int saved = errno;
    free(buffer);
    errno = saved;
    return NULL;
}

int write_file_at(int directory, const char *path, const char *text) {
    auto_close int fd = openat(directory, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return -1;
    size_t length = strlen(text);
    ssize_t put = write(fd, text, length);
    if (put < 0)
        return -1;
    if ((size_t)put != length) {
        errno = EIO;
        return -1;
    }
    return 0;
}

bool parse_number(const char *text, uint64_t limit, uint64_t *value) {
    uint64_t number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return false;
        uint64_t digit = (uint64_t)(*text - '0');
        if (number > (limit - digit) / 10 || digit > limit)
            return false;
        number = number * 10 + digit;
    }
    *value = number;
    return true;
}

bool parse_octal(const char *text, unsigned limit, unsigned *value) {
    unsigned number = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        if (*text < '0' || *text > '7')
            return false;
        number = number * 8 + (unsigned)(*text - '0');
        if (number > limit)
            return false;
    }
    *value = number;
    return true;
}

size_t percent_encode(const char *text, char *out, size_t room) {
    static const char digits[] = "0123456789ABCDEF";
    size_t length = 0;
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;
        bool plain = byte > ' ' && byte < 127 && byte != '%';
        if (length + (plain ? 1 : 3) >= room)
            break;
        if (plain) {
            out[length++] = (char)byte;
            continue;
        }
        out[length++] = '%';
        out[length++] = digits[byte >> 4];
        out[length++] = digits[byte & 15];
    }
    if (room > 0)
        out[length] = 0;
    return length;
}

int64_t monotonic_ms(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

size_t time_text(char out[TIME_TEXT_SIZE]) {
    struct timespec now;
    struct tm parts;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    size_t length = strftime(out, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
    return length + (size_t)snprintf(out + length, TIME_TEXT_SIZE - length, ".%09ldZ", now.tv_nsec);
}

int set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags < 0 ? -1 : fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

int set_inheritable(int fd) {
    return fcntl(fd, F_SETFD, 0);
}

int null_stdio(void) {
    auto_close int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0)
        return -1;
    return place_stdio((const int[3]){null, null, null});
}

int place_stdio(const int fds[3]) {
    int copies[3];
    for (int i = 0; i < 3; i++)
        if ((copies[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3)) < 0)
            return -1;
    for (int i = 0; i < 3; i++) {
        if (dup2(copies[i], i) < 0)
            return -1;
        close(copies[i]);
    }
    return 0;
}

void reset_signals(void) {
    sigset_t none;
    for (int number = 1; number < 65; number++)
        signal(number, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

ssize_t send_fds(int socket, const void *data, size_t size, const int *fds, size_t count) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MAX_PASSED_FDS)];
        struct cmsghdr align;
    } control = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    ssize_t sent;
    if (count > MAX_PASSED_FDS) {
        errno = EINVAL;
        return -1;
    }
    if (count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(sizeof(int) * count);
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int) * count);
        memcpy(CMSG_DATA(header), fds, sizeof(int) * count);
    }
    do
        sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent;
}

static void store_fds(const struct cmsghdr *header, int *fds, size_t room, size_t *stored) {
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof fd);
        if (*stored < room)
            fds[(*stored)++] = fd;
        else
            close(fd);
    }
}

ssize_t receive_fds(int socket, void *data, size_t size, int *fds, size_t *count, pid_t *sender) {
    union {
        char bytes[CMSG_SPACE(sizeof(int) * MAX_PASSED_FDS) + CMSG_SPACE(sizeof(struct ucred))];
        struct cmsghdr align;
    } control;
    struct iovec part = {.iov_base = data, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof control.bytes};
    size_t room = count ? *count : 0, stored = 0;
    ssize_t got;
    do
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (got < 0 && errno == EINTR);
    if (sender)
        *sender = 0;
    for (struct cmsghdr *header = got < 0 ? NULL : CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET)
            continue;
        if (header->cmsg_type == SCM_RIGHTS)
            store_fds(header, fds, room, &stored);
        struct ucred credentials;
        if (header->cmsg_type == SCM_CREDENTIALS && sender) {
            memcpy(&credentials, CMSG_DATA(header), sizeof credentials);
            *sender = credentials.pid;
        }
    }
    if (count)
        *count = stored;
    return got;
}

uid_t peer_uid(int socket) {
    struct ucred peer;
    socklen_t size = sizeof peer;
    return getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) < 0 ? (uid_t)-1 : peer.uid;
}
