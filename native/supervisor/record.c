#define _GNU_SOURCE
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/status.h"
#include "health.h"

enum { CLAIM_TRIES = 20 };

/** Field 22 of /proc/PID/stat: with the pid it names a process for good. */
unsigned long long record_start_ticks(pid_t pid) {
    char path[40], text[1024];
    unsigned long long ticks = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (length <= 0)
        return 0;
    text[length] = 0;
    const char *after = strrchr(text, ')'); /* the name may hold anything */
    if (!after || sscanf(after + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu", &ticks) != 1)
        return 0;
    return ticks;
}

static void read_boot_id(char out[40]) {
    auto_close int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, out, 36);
    out[length > 0 ? length : 0] = 0;
}

/** Who removes a container holds its lock from the mark on until the directory has another name. */
static bool is_removed(const struct record *record, const char *directory) {
    struct stat held, named;
    if (faccessat(record->directory, "removing", F_OK, 0) == 0)
        return true;
    if (stat(directory, &named) < 0)
        return errno == ENOENT;
    return fstat(record->directory, &held) == 0 && (held.st_ino != named.st_ino || held.st_dev != named.st_dev);
}

int record_refuse(struct failure *failure, int number, const char *directory) {
    const char *slash = strrchr(directory, '/'), *id = slash ? slash + 1 : directory;
    return fail(failure, "start", number, "%.*s", strlen(id) == 64 ? 12 : 255, id);
}

static int take_lock(struct record *record) {
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    record->lock = openat(record->directory, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (record->lock < 0)
        return -1;
    /* Who removes the container has the lock for a moment; a supervisor that has it for longer has written `live`. */
    int error = 0;
    for (int tries = 0; tries < CLAIM_TRIES; tries++) {
        if (fcntl(record->lock, F_OFD_SETLK, &lock) == 0)
            return 0;
        error = errno == EAGAIN || errno == EACCES ? EBUSY : errno;
        if (error != EBUSY || faccessat(record->directory, "live", F_OK, 0) == 0)
            break;
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
    drop_fd(&record->lock); /* not ours: the records are another supervisor's */
    errno = error;
    return -1;
}

/** Space for a record, taken while there is some: a full disk shall cost neither the exit code nor the pids. */
static int reserve(const struct record *record, const char *name) {
    auto_close int fd = openat(record->directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int error = posix_fallocate(fd, 0, 1024);
    if (error == 0 || error == EOPNOTSUPP || error == EINVAL)
        return 0;
    errno = error;
    return -1;
}

int record_open(struct record *record, const char *directory, struct failure *failure) {
    *record = (struct record){.lock = -1};
    record->directory = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (record->directory < 0)
        return errno == ENOENT ? record_refuse(failure, ENOENT, directory) : fail(failure, "record", errno, "%s", directory);
    bool taken = take_lock(record) == 0;
    int error = errno;
    if ((taken || error == EBUSY) && is_removed(record, directory)) {
        drop_fd(&record->lock); /* what is left is not ours to write to */
        return record_refuse(failure, ENOENT, directory);
    }
    if (!taken)
        return error == EBUSY ? record_refuse(failure, EBUSY, directory) : fail(failure, "lock", error, "%s/lock", directory);
    if ((unlinkat(record->directory, "exit", 0) < 0 && errno != ENOENT) || (unlinkat(record->directory, "live", 0) < 0 && errno != ENOENT))
        return fail(failure, "record", errno, "%s", directory);
    if (reserve(record, "live.new") < 0 || reserve(record, "exit.new") < 0)
        return fail(failure, "record", errno, "%s", directory);
    read_boot_id(record->boot);
    record->start_ticks = record_start_ticks(getpid());
    return 0;
}

/** Writes over what is there first and cuts afterwards: reserved blocks stay ours. */
static int replace(const struct record *record, const char *temporary, const char *name, const char *text) {
    size_t length = strlen(text);
    auto_close int fd = openat(record->directory, temporary, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 || write_full(fd, text, length) < 0 || ftruncate(fd, (off_t)length) < 0)
        return -1;
    return renameat(record->directory, temporary, record->directory, name);
}

/** Writes a JSON string's inside: plain ASCII stays, every other byte becomes an escape. */
static void json_escape(const char *text, char *out, size_t room) {
    size_t length = 0;
    for (; *text && length + 7 < room; text++) {
        unsigned char byte = (unsigned char)*text;
        if (byte >= ' ' && byte < 127 && byte != '"' && byte != '\\')
            out[length++] = (char)byte;
        else
            length += (size_t)snprintf(out + length, room - length, "\\u%04x", byte);
    }
    out[length] = 0;
}

int record_live(const struct record *record, const struct live_record *live) {
    char text[RECORD_SIZE], cgroup[RECORD_SIZE - 512] = "";
    if (live->cgroup)
        json_escape(live->cgroup, cgroup, sizeof cgroup);
    snprintf(text, sizeof text,
             "{\"v\":1,\"sv\":%d,\"svStart\":%llu,\"boot\":\"%s\",\"pid\":%d,\"pidStart\":%llu,\"started\":\"%s\",\"restarts\":%u,\"netns\":%llu,\"paused\":%d,\"cgroup\":\"%s\"}\n",
             (int)getpid(), record->start_ticks, record->boot, (int)live->pid, record_start_ticks(live->pid), live->started, live->restarts,
             (unsigned long long)live->netns, live->paused, cgroup);
    return replace(record, "live.new", "live", text);
}

size_t record_exit_text(const struct exit_record *exit, char out[RECORD_SIZE]) {
    char prose[600] = "", error[sizeof prose * 6 + 8];
    const struct failure *failure = exit->failure;
    if (failure->stage)
        failure_text(failure, prose, sizeof prose);
    json_escape(prose, error, sizeof error);
    return (size_t)snprintf(out, RECORD_SIZE,
                            "{\"v\":1,\"code\":%d,\"signal\":%d,\"oom\":%d,\"error\":\"%s\",\"stage\":\"%s\",\"errno\":%d,\"started\":\"%s\",\"finished\":\"%s\",\"restarts\":%u,\"stopped\":%d}",
                            exit->code, exit->signal, exit->oom, error, failure->stage ? failure->stage : "", failure->number, exit->started, exit->finished,
                            exit->restarts, exit->stopped);
}

int record_exit(const struct record *record, const char *text) {
    return replace(record, "exit.new", "exit", text);
}

static void put_result(FILE *out, const struct health_result *result) {
    fprintf(out, "{\"start\":\"%s\",\"end\":\"%s\",\"code\":%d,\"output\":\"", result->start, result->end, result->code);
    for (size_t i = 0; i < result->size; i++) {
        unsigned char byte = (unsigned char)result->output[i];
        fprintf(out, byte >= ' ' && byte < 127 && byte != '"' && byte != '\\' ? "%c" : "\\u%04x", byte);
    }
    fputs("\"}", out);
}

int record_health(const struct record *record, const char *status, unsigned failing, const struct health_result *results, size_t count) {
    auto_free char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return -1;
    fprintf(out, "{\"v\":1,\"status\":\"%s\",\"failing\":%u,\"log\":[", status, failing);
    for (size_t i = 0; i < count; i++) {
        fputs(i > 0 ? "," : "", out);
        put_result(out, &results[i]);
    }
    fputs("]}\n", out);
    return fclose(out) == 0 && text ? replace(record, "health.new", "health", text) : -1;
}

void record_close(struct record *record) {
    drop_fd(&record->lock);
    drop_fd(&record->directory);
}
