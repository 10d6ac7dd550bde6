#define _GNU_SOURCE
#include "launcher-start.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <limits.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

enum { HEAD_SIZE = 32768, ADDRESS_SIZE = 64, MOST_ADDRESSES = 256, PLAN_FD = 3, STATUS_FD = 4 };

/* What the head of the file has to name: the container, and the program that ours is. */
struct prepared {
    const char *name, *program;
    bool has_name, has_program;
};

/* Directory of the store: the given one, CORACLE_ROOT, else $XDG_DATA_HOME/coracle, else ~/.local/share/coracle. */
static bool find_root(const char *given, char *path, size_t size)
{
    const char *root = given ? given : getenv("CORACLE_ROOT"), *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    int length = -1;
    if (root && *root)
        length = *root == '/' ? snprintf(path, size, "%s", root) : -1;
    else if (data && *data == '/')
        length = snprintf(path, size, "%s/coracle", data);
    else if (home && *home == '/')
        length = snprintf(path, size, "%s/.local/share/coracle", home);
    return length > 0 && (size_t)length < size;
}

/* Settings by the environment are for Node.js, and so is a manager that wants to be told. */
static bool environment_is_plain(void)
{
    for (char **entry = environ; *entry; entry++)
        if ((strncmp(*entry, "CORACLE_", 8) == 0 && strncmp(*entry, "CORACLE_ROOT=", 13) != 0) || strncmp(*entry, "NOTIFY_SOCKET=", 14) == 0)
            return false;
    return prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 0;
}

/* Only the host's own user namespace: inside another one the ids mean something else. */
static bool in_first_namespace(void)
{
    unsigned inside, outside, count;
    FILE *map = fopen("/proc/self/uid_map", "re");
    bool first = map && fscanf(map, "%u %u %u", &inside, &outside, &count) == 3 && inside == 0 && outside == 0 && count == UINT_MAX;
    if (map)
        fclose(map);
    return first;
}

/* A name is a link to the id of its container and of its maker. */
static bool find_container(const char *root, const char *name, char *path, size_t size)
{
    char target[256];
    if (strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") != strlen(name) || name[0] == '.' || name[0] == '-')
        return false;
    if ((size_t)snprintf(path, size, "%s/containers/.names/%s", root, name) >= size)
        return false;
    ssize_t length = readlink(path, target, sizeof target - 1);
    if (length < 65 || target[64] != ':' || strspn(target, "0123456789abcdef") != 64)
        return false;
    return (size_t)snprintf(path, size, "%s/containers/%.64s", root, target) < size;
}

static bool file_is(const char *words)
{
    unsigned long long dev, ino;
    long long bytes, modified, changed;
    int read = 0;
    struct stat file;
    if (sscanf(words, "%llu %llu %lld %lld %lld %n", &dev, &ino, &bytes, &modified, &changed, &read) != 5 || words[read] != '/' || stat(words + read, &file) < 0)
        return false;
    return file.st_dev == dev && file.st_ino == ino && file.st_size == bytes &&
           (long long)file.st_mtim.tv_sec * 1000000000 + file.st_mtim.tv_nsec == modified &&
           (long long)file.st_ctim.tv_sec * 1000000000 + file.st_ctim.tv_nsec == changed;
}

static bool variable_is(char *words)
{
    char *space = strchr(words, ' ');
    if (!space)
        return false;
    *space = 0;
    const char *value = getenv(words);
    return value && strcmp(value, space + 1) == 0;
}

static int compare_texts(const void *left, const void *right)
{
    return strcmp(left, right);
}

static unsigned prefix_length(const unsigned char *mask, size_t size)
{
    unsigned bits = 0;
    for (size_t i = 0; i < size; i++)
        bits += (unsigned)__builtin_popcount(mask[i]);
    return bits;
}

/* One of an interface that is up, as Node.js lists them; false for others. */
static bool address_text(const struct ifaddrs *one, char *text)
{
    char address[INET6_ADDRSTRLEN];
    if (!one->ifa_addr || !one->ifa_netmask || !(one->ifa_flags & IFF_UP) || !(one->ifa_flags & IFF_RUNNING))
        return false;
    bool v4 = one->ifa_addr->sa_family == AF_INET;
    if (!v4 && one->ifa_addr->sa_family != AF_INET6)
        return false;
    const void *bytes = v4 ? (const void *)&((const struct sockaddr_in *)(const void *)one->ifa_addr)->sin_addr : &((const struct sockaddr_in6 *)(const void *)one->ifa_addr)->sin6_addr;
    const void *mask = v4 ? (const void *)&((const struct sockaddr_in *)(const void *)one->ifa_netmask)->sin_addr : &((const struct sockaddr_in6 *)(const void *)one->ifa_netmask)->sin6_addr;
    if (!inet_ntop(one->ifa_addr->sa_family, bytes, address, sizeof address))
        return false;
    return snprintf(text, ADDRESS_SIZE, "%s/%u", address, prefix_length(mask, v4 ? 4 : 16)) < ADDRESS_SIZE;
}

/* The list, sorted, each once, apart by commas. */
static bool addresses_are(const char *wanted)
{
    char(*texts)[ADDRESS_SIZE] = calloc(MOST_ADDRESSES, sizeof *texts);
    struct ifaddrs *all = NULL;
    size_t count = 0;
    if (!texts || getifaddrs(&all) < 0)
        return false;
    for (struct ifaddrs *one = all; one && count < MOST_ADDRESSES; one = one->ifa_next)
        if (address_text(one, texts[count]))
            count++;
    freeifaddrs(all);
    qsort(texts, count, sizeof *texts, compare_texts);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && strcmp(texts[i], texts[i - 1]) == 0)
            continue;
        size_t length = strlen(texts[i]);
        if (i > 0 && *wanted++ != ',')
            return false;
        if (strncmp(wanted, texts[i], length) != 0)
            return false;
        wanted += length;
    }
    return *wanted == 0;
}

/* The link to the container says that its sockets' directory is whole. */
static bool has_sockets(const char *directory)
{
    char path[PATH_MAX];
    struct stat link;
    return snprintf(path, sizeof path, "%s/d", directory) < (int)sizeof path && lstat(path, &link) == 0 && S_ISLNK(link.st_mode);
}

static bool holds(char *line, struct prepared *prepared)
{
    char *space = strchr(line, ' ');
    if (!space)
        return false;
    *space = 0;
    char *words = space + 1;
    if (strcmp(line, "name") == 0)
        return prepared->has_name = strcmp(words, prepared->name) == 0;
    if (strcmp(line, "program") == 0)
        return prepared->has_program = strcmp(words, prepared->program) == 0;
    if (strcmp(line, "socket") == 0)
        return has_sockets(words);
    if (strcmp(line, "env") == 0)
        return variable_is(words);
    if (strcmp(line, "unenv") == 0)
        return !getenv(words);
    if (strcmp(line, "file") == 0)
        return file_is(words);
    if (strcmp(line, "absent") == 0)
        return access(words, F_OK) < 0 && (errno == ENOENT || errno == ENOTDIR);
    return strcmp(line, "addresses") == 0 && addresses_are(words);
}

/* Everything the head names is as it was. The file is left at the plan behind it. */
static bool is_valid(int file, char *head, struct prepared *prepared)
{
    static const char first[] = "coracle-prepared 1\n";
    struct stat own;
    /* A store of somebody else's is for Node.js, which says so. */
    if (fstat(file, &own) < 0 || own.st_uid != geteuid() || !S_ISREG(own.st_mode) || (own.st_mode & 022))
        return false;
    ssize_t got = read(file, head, HEAD_SIZE - 1);
    if (got <= 0)
        return false;
    head[got] = 0;
    char *end = strstr(head, "\n\n");
    if (!end || strncmp(head, first, sizeof first - 1) != 0 || lseek(file, end + 2 - head, SEEK_SET) < 0)
        return false;
    end[1] = 0;
    for (char *line = head + sizeof first - 1, *next; *line; line = next) {
        char *newline = strchr(line, '\n');
        *newline = 0;
        next = newline + 1;
        if (!holds(line, prepared))
            return false;
    }
    return prepared->has_name && prepared->has_program;
}

static void become_supervisor(const char *program, int file, int status)
{
    char path[8192] = "PATH=";
    const char *directories = getenv("PATH");
    char *const arguments[] = {"coracle-sv", "run", NULL};
    char *const environment[] = {path, NULL};
    /* Out of the way of the numbers they get. */
    file = fcntl(file, F_DUPFD_CLOEXEC, 64);
    status = fcntl(status, F_DUPFD_CLOEXEC, 64);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (file < 0 || status < 0 || null < 0 || strlen(directories ? directories : "") >= sizeof path - 6)
        _exit(125);
    strcat(path, directories ? directories : "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin");
    for (int i = 0; i < 3; i++)
        if (dup2(null, i) < 0)
            _exit(125);
    if (dup2(file, PLAN_FD) < 0 || dup2(status, STATUS_FD) < 0 || chdir("/") < 0)
        _exit(125);
    for (int number = STATUS_FD + 1; number < 256; number++)
        fcntl(number, F_SETFD, FD_CLOEXEC);
    signal(SIGPIPE, SIG_DFL);
    execve(program, arguments, environment);
    _exit(125);
}

/* Percent-encoded, as all texts of status lines. */
static void say_warning(char *text)
{
    char *to = text;
    unsigned byte;
    for (const char *from = text; *from; to++)
        if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
            *to = (char)(byte < 32 && byte != '\n' ? '?' : byte);
            from += 3;
        } else
            *to = *from++;
    *to = 0;
    fprintf(stderr, "warning: %s\n", text);
}

/* `warn STAGE ERRNO OBJECT PROSE` and `started PID`, PROTOCOL.md 2.4. */
static bool read_status(char *line)
{
    if (strncmp(line, "started ", 8) == 0)
        return true;
    if (strncmp(line, "warn ", 5) != 0)
        return false;
    char *prose = line;
    for (int word = 0; word < 4 && prose; word++)
        prose = strchr(prose, ' ') ? strchr(prose, ' ') + 1 : NULL;
    if (prose)
        say_warning(prose);
    return false;
}

static bool has_started(int status)
{
    char text[8192];
    size_t length = 0;
    ssize_t got;
    bool started = false;
    while (length < sizeof text - 1 && ((got = read(status, text + length, sizeof text - 1 - length)) > 0 || (got < 0 && errno == EINTR)))
        length += got > 0 ? (size_t)got : 0;
    text[length] = 0;
    if (!strstr(text, "started "))
        return false;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        started = read_status(line) || started;
    return started;
}

static bool start(const char *program, int file)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) < 0)
        return false;
    pid_t pid = fork();
    if (pid == 0)
        become_supervisor(program, file, ends[1]);
    close(ends[1]);
    bool started = pid > 0 && has_started(ends[0]);
    close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
    return started;
}

int start_prepared(const char *given_root, const char *name, const char *main_script)
{
    char root[PATH_MAX], directory[PATH_MAX], path[PATH_MAX + 16];
    char program[PATH_MAX];
    const char *slash = strrchr(main_script, '/');
    if (!slash || (size_t)snprintf(program, sizeof program, "%.*s/native/coracle-sv", (int)(slash - main_script), main_script) >= sizeof program)
        return -1;
    struct prepared prepared = {.name = name, .program = program};
    char *head = malloc(HEAD_SIZE);
    if (!head || !environment_is_plain() || !in_first_namespace() || !find_root(given_root, root, sizeof root) || !find_container(root, name, directory, sizeof directory))
        return -1;
    /* What is mounted has to be looked at; what a removal left is not to be started. */
    static const char *const marks[] = {"mount.json", "removing"};
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
        snprintf(path, sizeof path, "%s/%s", directory, marks[i]);
        if (access(path, F_OK) == 0)
            return -1;
    }
    snprintf(path, sizeof path, "%s/prepared", directory);
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    bool started = file >= 0 && is_valid(file, head, &prepared) && start(program, file);
    /* Node.js is told how many descriptors the caller gave. */
    if (file >= 0)
        close(file);
    free(head);
    if (!started)
        return -1;
    return printf("%s\n", name) < 0 || fflush(stdout) != 0 ? 125 : 0;
}
