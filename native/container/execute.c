#define _GNU_SOURCE
#include "execute.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const char default_path[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

static const char *path_of(char *const *environment) {
    for (; *environment; environment++)
        if (strncmp(*environment, "PATH=", 5) == 0)
            return *environment + 5;
    return default_path;
}

/** ENOENT for a file that is there means that its interpreter is not: says which one. */
static int explain_missing(const char *path, struct failure *failure) {
    char line[256];
    failure->code = 127;
    auto_close int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    ssize_t length = fd < 0 ? -1 : read(fd, line, sizeof line - 1);
    if (fd < 0)
        return fail(failure, "exec", ENOENT, "%s", path);
    line[length > 0 ? length : 0] = 0;
    line[strcspn(line, "\n")] = 0;
    if (strncmp(line, "#!", 2) != 0)
        return fail(failure, "exec", ENOENT, "%s: the dynamic loader it needs is not in the container", path);
    const char *interpreter = line + 2 + strspn(line + 2, " \t");
    size_t name = strcspn(interpreter, " \t\r");
    const char *hint = interpreter[name] == '\r' ? " (the line ends with a carriage return)" : "";
    return fail(failure, "exec", ENOENT, "%s: its interpreter %.*s is not in the container%s", path, (int)name, interpreter, hint);
}

static int explain(const char *path, int error, struct failure *failure) {
    if (error == ENOENT)
        return explain_missing(path, failure);
    failure->code = error == ENOTDIR ? 127 : 126;
    if (error == ENOEXEC)
        return fail(failure, "exec", error, "%s: neither a program for this machine nor a script with #!", path);
    return fail(failure, "exec", error, "%s", path);
}

int execute(char *const *arguments, char *const *environment, struct failure *failure) {
    char candidate[PATH_MAX];
    const char *name = arguments[0], *path = path_of(environment);
    int denied = 0;
    if (strchr(name, '/')) {
        execve(name, arguments, environment);
        return explain(name, errno, failure);
    }
    for (size_t length; *path; path += length + (path[length] == ':')) {
        struct stat status;
        length = strcspn(path, ":");
        int written = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "./", name);
        if (written < 0 || (size_t)written >= sizeof candidate)
            continue;
        execve(candidate, arguments, environment);
        int error = errno;
        bool there = error == ENOENT && stat(candidate, &status) == 0;
        if (error == EACCES)
            denied = EACCES;
        else if (there || (error != ENOENT && error != ENOTDIR))
            return explain(candidate, error, failure);
    }
    failure->code = denied ? 126 : 127;
    return fail(failure, "exec", denied ? denied : ENOENT, "%s: %s", name, denied ? "what PATH has under this name may not be executed" : "not found in PATH");
}

/** 0: it may be executed, else the errno. */
static int fault_of(const char *path) {
    struct stat status;
    if (stat(path, &status) < 0)
        return errno;
    return S_ISREG(status.st_mode) && (status.st_mode & 0111) ? 0 : EACCES;
}

int execute_check(char *const *arguments, char *const *environment, struct failure *failure) {
    char candidate[PATH_MAX];
    const char *name = arguments[0], *path = path_of(environment);
    int fault = ENOENT;
    if (strchr(name, '/')) {
        fault = fault_of(name);
        return fault == 0 ? 0 : explain(name, fault, failure);
    }
    for (size_t length; *path; path += length + (path[length] == ':')) {
        length = strcspn(path, ":");
        int written = snprintf(candidate, sizeof candidate, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "./", name);
        if (written < 0 || (size_t)written >= sizeof candidate)
            continue;
        int found = fault_of(candidate);
        if (found == 0)
            return 0;
        fault = found == EACCES ? EACCES : fault;
    }
    failure->code = fault == EACCES ? 126 : 127;
    return fail(failure, "exec", fault, "%s: executable file not found in $PATH", name);
}
