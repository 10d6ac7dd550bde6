/*
 * dist/coracle: starts `node -- main.cjs ARGS` (dist/coracle-oci: `node -- main.cjs oci ARGS`) without what slows Node's start down.
 *
 * NODE_EXTRA_CA_CERTS makes every Node read and parse certificates before the first line runs; it is handed on as
 * CORACLE_EXTRA_CA_CERTS, which only commands that talk to a registry read. Everything else stays as it is.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launcher-start.h"

extern char **environ;

enum { EXIT_NOT_STARTED = 125, MOST_DESCRIPTORS = 16 };

static int fail(const char *what, const char *reason)
{
    fprintf(stderr, "coracle: %s: %s\n", what, reason);
    return EXIT_NOT_STARTED;
}

/* dist/main.cjs beside the launcher's real file, however it was called or linked. */
static int find_main(char *path, size_t size)
{
    ssize_t length = readlink("/proc/self/exe", path, size - 1);
    if (length <= 0 || (size_t)length >= size - 1)
        return -1;
    path[length] = 0;
    char *slash = strrchr(path, '/');
    if (!slash || (size_t)(slash - path) + sizeof "/main.cjs" > size)
        return -1;
    strcpy(slash, "/main.cjs");
    return 0;
}

/* True for an executable regular file that is not the launcher itself (a `node` linked to it would loop). */
static int is_node(const char *path, const struct stat *self)
{
    struct stat file;
    return stat(path, &file) == 0 && S_ISREG(file.st_mode) && access(path, X_OK) == 0 &&
           !(file.st_dev == self->st_dev && file.st_ino == self->st_ino);
}

static int find_node(char *path, size_t size)
{
    struct stat self;
    const char *directories = getenv("PATH");
    if (!directories || !*directories)
        directories = "/usr/local/bin:/usr/bin:/bin";
    if (stat("/proc/self/exe", &self) < 0)
        return -1;
    while (*directories) {
        size_t length = strcspn(directories, ":");
        /* An empty entry means the current directory: nothing is started from there. */
        if (length && *directories == '/' &&
            snprintf(path, size, "%.*s/node", (int)length, directories) < (int)size && is_node(path, &self))
            return 0;
        directories += length + (directories[length] == ':');
    }
    return -1;
}

static int hand_on_certificates(void)
{
    const char *certificates = getenv("NODE_EXTRA_CA_CERTS");
    if (certificates && setenv("CORACLE_EXTRA_CA_CERTS", certificates, 1) < 0)
        return -1;
    return unsetenv("NODE_EXTRA_CA_CERTS");
}

/* How many descriptors from 3 on were given to us: Node opens its own, and then nobody could tell. */
static int tell_descriptors(void)
{
    char text[8];
    int count = 0;
    while (count < MOST_DESCRIPTORS && fcntl(3 + count, F_GETFD) >= 0)
        count++;
    snprintf(text, sizeof text, "%d", count);
    return count > 0 ? setenv("CORACLE_DESCRIPTORS", text, 1) : unsetenv("CORACLE_DESCRIPTORS");
}

int main(int argc, char **argv)
{
    char node[PATH_MAX], script[PATH_MAX];
    if (find_main(script, sizeof script) < 0)
        return fail("find main.cjs", "the path of the launcher cannot be read");
#ifndef FIRST_WORD
    const int skipped = argc == 5 && strcmp(argv[1], "--root") == 0 ? 2 : 0;
    int code = argc == 3 + skipped && strcmp(argv[1 + skipped], "start") == 0 ? start_prepared(skipped ? argv[2] : NULL, argv[2 + skipped], script) : -1;
    if (code >= 0)
        return code;
#endif
    if (find_node(node, sizeof node) < 0)
        return fail("start node", "no executable named node in PATH; install Node.js 20 or newer");
    char **arguments = calloc((size_t)argc + 4, sizeof *arguments);
    if (!arguments || hand_on_certificates() < 0 || tell_descriptors() < 0)
        return fail("start node", "out of memory");
    arguments[0] = node;
    /* Node looks for its own --env-file in all words, also in ours, up to this one. */
    arguments[1] = "--";
    arguments[2] = script;
    char **next = arguments + 3;
#ifdef FIRST_WORD
    *next++ = FIRST_WORD;
#endif
    for (int i = 1; i < argc; i++)
        *next++ = argv[i];
    execve(node, arguments, environ);
    return fail(node, strerror(errno));
}
