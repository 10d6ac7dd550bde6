#define _GNU_SOURCE
#include "accounts.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/syscalls.h"

enum { MAX_FILE = 1 << 20 };

/** Name and number are the first and the third field. */
static bool same_field(const char *a, const char *b, unsigned index) {
    for (; index > 0; index--) {
        a = strchr(a, ':');
        b = strchr(b, ':');
        if (!a || !b)
            return false;
        a++;
        b++;
    }
    size_t length = strcspn(a, ":\n");
    return length == strcspn(b, ":\n") && strncmp(a, b, length) == 0;
}

static bool is_known(const char *text, const char *line) {
    for (const char *at = text; *at; at += *at == '\n') {
        if (same_field(at, line, 0) || same_field(at, line, 2))
            return true;
        at += strcspn(at, "\n");
    }
    return false;
}

/** What the image holds there is no reason to follow it anywhere or to wait. */
static int open_database(int root, const char *path) {
    struct stat status;
    auto_close int fd = sys_openat2(root, path, O_RDWR | O_APPEND | O_NONBLOCK | O_NOCTTY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_size > MAX_FILE)
        return -1;
    return take_fd(&fd);
}

static int add_lines(int root, const char *path, const struct strings *lines, struct failure *failure) {
    for (size_t i = 0; i < lines->count; i++) {
        size_t size = 0;
        auto_close int fd = open_database(root, path);
        auto_free char *text = fd < 0 ? NULL : read_all(fd, MAX_FILE, &size);
        if (!text || is_known(text, lines->items[i]))
            continue;
        auto_free char *added = NULL;
        int length = asprintf(&added, "%s%s\n", size > 0 && text[size - 1] != '\n' ? "\n" : "", lines->items[i]);
        if (length < 0 || write_full(fd, added, (size_t)length) < 0)
            return fail(failure, "accounts", errno, "%s", path);
    }
    return 0;
}

int accounts_add(const struct plan *plan, int root, struct failure *failure) {
    return add_lines(root, "etc/passwd", &plan->passwd_lines, failure) < 0 ? -1 : add_lines(root, "etc/group", &plan->group_lines, failure);
}
