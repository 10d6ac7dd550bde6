#define _GNU_SOURCE
#include "userns.h"

#include <errno.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/syscalls.h"

enum { MAP_TEXT_SIZE = 340 * 34 };

/** The child's half: waits for its maps, becomes uid 0 of the namespace, ties its life to the parent's. */
static void enter_namespace(int channel, bool keep_groups) {
    char byte;
    if (read_full(channel, &byte, 1) != 1)
        _exit(125);
    struct failure failure = {0};
    const char *step = NULL;
    if (!keep_groups)
        setgroups(0, NULL); /* EPERM where setgroups is denied: the groups stay, unmapped */
    if (setresgid(0, 0, 0) < 0)
        step = "setresgid 0";
    else if (setresuid(0, 0, 0) < 0)
        step = "setresuid 0";
    /* Only now: a change of credentials clears the death signal. */
    else if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || prctl(PR_SET_DUMPABLE, 0) < 0)
        step = "prctl";
    if (step)
        fail(&failure, "userns", errno, "%s", step);
    /* The parent may have died before the death signal was armed: then this cannot be sent. */
    if (send(channel, &failure, sizeof failure, MSG_NOSIGNAL) < 0 || step)
        _exit(125);
    close(channel);
}

static char **mapper_arguments(const char *program, const char *pid, const struct id_ranges *ranges, char (*numbers)[12]) {
    char **arguments = calloc(ranges->count * 3 + 3, sizeof *arguments);
    if (!arguments)
        return NULL;
    size_t count = 0;
    arguments[count++] = (char *)(uintptr_t)program;
    arguments[count++] = (char *)(uintptr_t)pid;
    for (size_t i = 0; i < ranges->count; i++) {
        const uint32_t values[] = {ranges->items[i].container, ranges->items[i].host, ranges->items[i].size};
        for (size_t k = 0; k < 3; k++, numbers++) {
            snprintf(*numbers, sizeof *numbers, "%u", values[k]);
            arguments[count++] = *numbers;
        }
    }
    return arguments;
}

/** Starts newuidmap or newgidmap from the fixed list of directories; the user's PATH is not trusted with a setuid program's name. */
static pid_t start_mapper(const char *name, pid_t target, const struct id_ranges *ranges, int complaints) {
    static const char *const directories[] = {"/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin", "/run/wrappers/bin"};
    pid_t pid = fork();
    if (pid != 0)
        return pid;
    char path[64], pid_text[12], *const environment[] = {NULL};
    auto_free char(*numbers)[12] = calloc(ranges->count * 3, sizeof *numbers);
    snprintf(pid_text, sizeof pid_text, "%d", (int)target);
    char **arguments = numbers ? mapper_arguments(name, pid_text, ranges, numbers) : NULL;
    if (!arguments || null_stdio() < 0 || dup2(complaints, 2) < 0)
        _exit(126);
    reset_signals();
    for (size_t i = 0; i < N_ELEMENTS(directories); i++) {
        snprintf(path, sizeof path, "%s/%s", directories[i], name);
        execve(path, arguments, environment);
        if (errno != ENOENT && errno != ENOTDIR)
            break;
    }
    dprintf(2, "%s: %s\n", name, strerror(errno));
    _exit(127);
}

static int start_mappers(const struct id_map *map, struct userns_child *child, struct failure *failure) {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
        return fail(failure, "idmap", errno, "pipe");
    child->complaints = ends[0];
    child->mappers[0] = start_mapper("newuidmap", child->pid, &map->uid, ends[1]);
    child->mappers[1] = start_mapper("newgidmap", child->pid, &map->gid, ends[1]);
    close(ends[1]);
    return child->mappers[0] < 0 || child->mappers[1] < 0 ? fail(failure, "idmap", errno, "fork") : 0;
}

static void abandon(struct userns_child *child) {
    for (size_t i = 0; i < 2; i++)
        if (child->mappers[i] > 0)
            waitpid(child->mappers[i], NULL, 0);
    if (child->pid > 0) {
        kill(child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
    }
    drop_fd(&child->channel);
    drop_fd(&child->pidfd);
    drop_fd(&child->complaints);
    if (!child->was_dumpable)
        prctl(PR_SET_DUMPABLE, 0);
}

int userns_begin(const struct id_map *map, uint64_t flags, struct userns_child *child, struct failure *failure) {
    int ends[2];
    *child = (struct userns_child){.pidfd = -1, .channel = -1, .complaints = -1, .was_dumpable = prctl(PR_GET_DUMPABLE) != 0};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return fail(failure, "userns", errno, "socketpair");
    /* newuidmap is root and may write the maps of any process; we may write only those of a dumpable one. */
    if (map->how != ID_MAP_NEWUIDMAP)
        prctl(PR_SET_DUMPABLE, 1);
    child->pid = sys_clone(CLONE_NEWUSER | flags, &child->pidfd);
    if (child->pid == 0) {
        close(ends[0]);
        enter_namespace(ends[1], map->keep_groups);
        return 0;
    }
    int error = errno;
    close(ends[1]);
    child->channel = ends[0];
    if (child->pid < 0)
        fail(failure, "userns", error, "clone a user namespace%s", error == ENOSPC ? " (user.max_user_namespaces is used up)" : "");
    else if (map->how != ID_MAP_NEWUIDMAP || start_mappers(map, child, failure) == 0)
        return 1;
    abandon(child);
    return -1;
}

static int wait_mappers(struct userns_child *child, struct failure *failure) {
    static const char *const names[] = {"newuidmap", "newgidmap"};
    int worst = -1;
    for (int i = 0; i < 2; i++) {
        int status = 0;
        while (waitpid(child->mappers[i], &status, 0) < 0 && errno == EINTR)
            continue;
        child->mappers[i] = 0;
        if (status != 0 && worst < 0)
            worst = i;
    }
    if (worst < 0)
        return 0;
    char said[256] = "";
    ssize_t length = read(child->complaints, said, sizeof said - 1);
    said[length > 0 ? length : 0] = 0;
    said[strcspn(said, "\n")] = 0;
    return fail(failure, "idmap", EPERM, "%s", said[0] ? said : names[worst]);
}

/** The kernel takes a map in one write only. */
static int write_map(int directory, const char *name, const struct id_ranges *ranges, struct failure *failure) {
    auto_free char *text = malloc(MAP_TEXT_SIZE);
    size_t length = 0;
    if (!text)
        return fail(failure, "idmap", ENOMEM, "%s", name);
    for (size_t i = 0; i < ranges->count; i++)
        length += (size_t)snprintf(text + length, MAP_TEXT_SIZE - length, "%u %u %u\n", ranges->items[i].container, ranges->items[i].host, ranges->items[i].size);
    return write_file_at(directory, name, text) < 0 ? fail(failure, "idmap", errno, "write %s", name) : 0;
}

static int write_maps(const struct id_map *map, int directory, struct failure *failure) {
    if (map->how == ID_MAP_SINGLE && write_file_at(directory, "setgroups", "deny") < 0)
        return fail(failure, "idmap", errno, "write setgroups");
    if (write_map(directory, "uid_map", &map->uid, failure) < 0)
        return -1;
    return write_map(directory, "gid_map", &map->gid, failure);
}

/** What the kernel holds must be what was asked: a helper that did something else is an error, not a surprise later. */
static int check_map(int directory, const char *name, const struct id_ranges *ranges, struct failure *failure) {
    auto_close int fd = openat(directory, name, O_RDONLY | O_CLOEXEC);
    size_t size = 0, found = 0;
    auto_free char *text = fd < 0 ? NULL : read_all(fd, 65536, &size);
    if (!text)
        return fail(failure, "idmap", errno, "read %s", name);
    for (char *rest = text, *line; (line = strsep(&rest, "\n"));) {
        unsigned container, host, length;
        bool known = false;
        if (sscanf(line, "%u %u %u", &container, &host, &length) != 3)
            continue;
        for (size_t i = 0; i < ranges->count; i++)
            known = known || (ranges->items[i].container == container && ranges->items[i].host == host && ranges->items[i].size == length);
        if (!known)
            return fail(failure, "idmap", EINVAL, "%s holds %s", name, line);
        found++;
    }
    return found == ranges->count ? 0 : fail(failure, "idmap", EINVAL, "%s holds %zu ranges, not %zu", name, found, ranges->count);
}

int userns_write(const struct id_map *map, int directory, struct failure *failure) {
    if (map->how != ID_MAP_NEWUIDMAP && write_maps(map, directory, failure) < 0)
        return -1;
    if (check_map(directory, "uid_map", &map->uid, failure) < 0)
        return -1;
    return check_map(directory, "gid_map", &map->gid, failure);
}

static int establish_maps(const struct id_map *map, struct userns_child *child, struct failure *failure) {
    char path[32];
    if (map->how == ID_MAP_NEWUIDMAP && wait_mappers(child, failure) < 0)
        return -1;
    snprintf(path, sizeof path, "/proc/%d", (int)child->pid);
    auto_close int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return directory < 0 ? fail(failure, "idmap", errno, "%s", path) : userns_write(map, directory, failure);
}

int userns_finish(const struct id_map *map, struct userns_child *child, struct failure *failure) {
    struct failure answer = {0};
    int result = establish_maps(map, child, failure);
    if (!child->was_dumpable)
        prctl(PR_SET_DUMPABLE, 0);
    if (result == 0 && send(child->channel, "", 1, MSG_NOSIGNAL) != 1)
        result = fail(failure, "userns", errno, "wake the child");
    if (result == 0 && recv(child->channel, &answer, sizeof answer, 0) != (ssize_t)sizeof answer)
        result = fail(failure, "userns", errno, "child died");
    if (result == 0 && answer.stage) {
        *failure = answer; /* same program, same addresses: the stage's text is ours too */
        result = -1;
    }
    if (result < 0) {
        abandon(child);
        return -1;
    }
    drop_fd(&child->channel);
    drop_fd(&child->complaints);
    return 0;
}

pid_t userns_clone(const struct id_map *map, uint64_t flags, int *pidfd, struct failure *failure) {
    struct userns_child child;
    int side = userns_begin(map, flags, &child, failure);
    if (side <= 0)
        return side;
    if (userns_finish(map, &child, failure) < 0)
        return -1;
    if (pidfd)
        *pidfd = child.pidfd;
    else
        close(child.pidfd);
    return child.pid;
}

int userns_map(const struct id_map *map, pid_t pid, struct failure *failure) {
    struct userns_child target = {.pid = pid, .pidfd = -1, .channel = -1, .complaints = -1};
    if (map->how == ID_MAP_NEWUIDMAP && start_mappers(map, &target, failure) < 0)
        return -1;
    int result = establish_maps(map, &target, failure);
    drop_fd(&target.complaints);
    return result;
}
