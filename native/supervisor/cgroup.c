#define _GNU_SOURCE
#include "cgroup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/stat.h>

#include "events.h"
#include "supervisor.h"

enum { MOVE_PASSES = 100, TEXT_MAX = 4096 };

void cgroup_init(struct cgroup *cgroup) {
    *cgroup = (struct cgroup){.directory = -1, .units = {.fd = -1}, .events = {.fd = -1}, .memory = {.fd = -1}};
}

static int ask_for_scope(struct supervisor *supervisor, pid_t infra, const char *unit, struct failure *failure) {
    /* The user's manager gives each unit a limit of its own; the container's is below it. */
    static const struct unit_property unlimited = {"TasksMax", UINT64_MAX};
    const struct plan_cgroup *plan = &supervisor->plan->cgroup;
    const pid_t pids[] = {infra, getpid()};
    const struct scope scope = {
        .unit = unit,
        .slice = plan->slice,
        .description = "container of coracle",
        .ordered = true,
        .pids = pids,
        .pid_count = plan->apart ? 1 : 2,
        .properties = &unlimited,
        .property_count = 1,
    };
    return units_begin_scope(&supervisor->cgroup.units, &scope, failure);
}

int cgroup_begin(struct supervisor *supervisor, pid_t infra, struct failure *failure) {
    const struct plan_cgroup *plan = &supervisor->plan->cgroup;
    char unit[UNIT_NAME_SIZE];
    if (plan->kind != CGROUP_SCOPE)
        return 0;
    snprintf(unit, sizeof unit, "%s.scope", plan->unit);
    return units_open(&supervisor->cgroup.units, &plan->manager, failure) < 0 ? -1 : ask_for_scope(supervisor, infra, unit, failure);
}

/** The scope of the last run may still be there: systemd takes it away when it hears of its end. */
static int await_scope(struct supervisor *supervisor, pid_t infra, struct failure *failure) {
    struct units *units = &supervisor->cgroup.units;
    char unit[UNIT_NAME_SIZE];
    bool taken = false;
    if (units_await_scope(units, &taken, failure) == 0)
        return 0;
    if (!taken)
        return -1;
    *failure = (struct failure){0};
    snprintf(unit, sizeof unit, "%s-%d.scope", supervisor->plan->cgroup.unit, (int)getpid());
    return ask_for_scope(supervisor, infra, unit, failure) < 0 ? -1 : units_await_scope(units, &taken, failure);
}

/** Where a process is, below the mount. */
static char *path_of(pid_t pid, const char *mount) {
    char file[40], *path = NULL;
    size_t size = 0;
    snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
    auto_close int fd = open(file, O_RDONLY | O_CLOEXEC);
    auto_free char *text = fd < 0 ? NULL : read_all(fd, 65536, &size);
    for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));)
        if (strncmp(line, "0::/", 4) == 0 && asprintf(&path, "%s%s", mount, strcmp(line + 3, "/") == 0 ? "" : line + 3) < 0)
            return NULL;
    if (!path)
        errno = ENOENT;
    return path;
}

static int write_at(const char *directory, const char *name, const char *text) {
    char path[PATH_MAX];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", directory, name) >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return write_file_at(AT_FDCWD, path, text);
}

static int make(const char *path, struct failure *failure) {
    rmdir(path); /* what a supervisor that was killed left has old settings */
    return mkdir(path, 0755) < 0 && errno != EEXIST ? fail(failure, "cgroup", errno, "%s", path) : 0;
}

/** A cgroup with controllers for others has no processes itself. */
static int move_processes(const char *from, const char *to, struct failure *failure) {
    char list[PATH_MAX];
    snprintf(list, sizeof list, "%s/cgroup.procs", from);
    for (int pass = 0; pass < MOVE_PASSES; pass++) {
        size_t size = 0;
        auto_close int fd = open(list, O_RDONLY | O_CLOEXEC);
        auto_free char *text = fd < 0 ? NULL : read_all(fd, 1 << 20, &size);
        if (!text)
            return fail(failure, "cgroup", errno, "%s", list);
        if (size == 0)
            return 0;
        for (char *rest = text, *line; (line = strsep(&rest, "\n"));)
            if (*line && write_at(to, "cgroup.procs", line) < 0 && errno != ESRCH)
                return fail(failure, "cgroup", errno, "%s: move process %s there", to, line);
    }
    return fail(failure, "cgroup", EBUSY, "%s", from);
}

/** Those that a limit, an update or a question may need. What cannot be had shows when it is set. */
static void enable_controllers(const char *path, const struct plan_cgroup *plan) {
    static const char *const always[] = {"+memory", "+pids", "+cpu", "+io", "+cpuset"};
    for (size_t i = 0; i < N_ELEMENTS(always); i++)
        write_at(path, "cgroup.subtree_control", always[i]);
    for (size_t i = 0; i < plan->settings.count; i++) {
        const char *name = plan->settings.items[i].name;
        char word[64];
        snprintf(word, sizeof word, "+%.*s", (int)(strchr(name, '.') - name), name);
        write_at(path, "cgroup.subtree_control", word);
    }
}

static int write_settings(const char *path, const struct plan_cgroup *plan, struct failure *failure) {
    for (size_t i = 0; i < plan->settings.count; i++) {
        const struct plan_setting *setting = &plan->settings.items[i];
        if (write_at(path, setting->name, setting->value) == 0)
            continue;
        if (errno == ENOENT || errno == EACCES)
            return fail(failure, "limit", 0, "%s=%s: its controller is not delegated to this user", setting->name, setting->value);
        return fail(failure, "limit", errno, "%s=%s", setting->name, setting->value);
    }
    return 0;
}

static char *join(const char *directory, const char *name) {
    char *path = NULL;
    return asprintf(&path, "%s/%s", directory, name) < 0 ? NULL : path;
}

/** Who looks after containers goes to `supervisor` of `base`. */
static int clear(const char *base, struct failure *failure) {
    auto_free char *helpers = join(base, "supervisor");
    if (!helpers || (mkdir(helpers, 0755) < 0 && errno != EEXIST))
        return fail(failure, "cgroup", errno, "%s/supervisor", base);
    return move_processes(base, helpers, failure);
}

/** In `base` the container gets a leaf; in `pod`, where it shares its limits with others. */
static int arrange(struct supervisor *supervisor, const char *base, struct failure *failure) {
    const struct plan_cgroup *plan = &supervisor->plan->cgroup;
    char leaf[32];
    auto_free char *pod = plan->holds_pod ? join(base, "pod") : NULL;
    const char *above = pod ? pod : base;
    snprintf(leaf, sizeof leaf, "container-%.12s", supervisor->plan->id);
    supervisor->cgroup.path = join(above, leaf);
    if (!supervisor->cgroup.path)
        return fail(failure, "cgroup", ENOMEM, "%s", base);
    enable_controllers(base, plan);
    if (pod && (make(pod, failure) < 0 || write_settings(pod, plan, failure) < 0))
        return -1;
    if (pod)
        enable_controllers(pod, plan);
    if (make(supervisor->cgroup.path, failure) < 0)
        return -1;
    return pod ? 0 : write_settings(supervisor->cgroup.path, plan, failure);
}

/** One of a pod: S and A go where the pod's are, so that they may put others into it. */
static int join_pod(struct supervisor *supervisor, pid_t infra, struct failure *failure) {
    const struct plan_cgroup *plan = &supervisor->plan->cgroup;
    struct units *units = &supervisor->cgroup.units;
    const pid_t pids[] = {infra, getpid()};
    char leaf[40];
    if (plan->unit && (units_open(units, &plan->manager, failure) < 0 || units_attach(units, plan->unit, "/supervisor", pids, 2, failure) < 0))
        return -1;
    snprintf(leaf, sizeof leaf, "container-%.12s", supervisor->plan->id);
    auto_free char *pod = join(plan->pod, "pod");
    supervisor->cgroup.path = pod ? join(pod, leaf) : NULL;
    if (!supervisor->cgroup.path)
        return fail(failure, "cgroup", ENOMEM, "%s", leaf);
    enable_controllers(plan->pod, plan);
    enable_controllers(pod, plan);
    return make(supervisor->cgroup.path, failure) < 0 ? -1 : write_settings(supervisor->cgroup.path, plan, failure);
}

static int place(struct supervisor *supervisor, pid_t infra, struct failure *failure) {
    const struct plan_cgroup *plan = &supervisor->plan->cgroup;
    if (plan->kind == CGROUP_MEMBER)
        return join_pod(supervisor, infra, failure);
    if (plan->kind == CGROUP_DIRECTORY && plan->holds_pod)
        return make(plan->path, failure) < 0 ? -1 : arrange(supervisor, plan->path, failure);
    if (plan->kind == CGROUP_DIRECTORY) {
        supervisor->cgroup.path = strdup(plan->path);
        if (!supervisor->cgroup.path)
            return fail(failure, "cgroup", ENOMEM, "%s", plan->path);
        return make(plan->path, failure) < 0 ? -1 : write_settings(plan->path, plan, failure);
    }
    if (plan->kind == CGROUP_SCOPE && await_scope(supervisor, infra, failure) < 0)
        return -1;
    auto_free char *base = path_of(plan->kind == CGROUP_SCOPE ? infra : getpid(), plan->mount);
    if (!base)
        return fail(failure, "cgroup", errno, "where process %d is", (int)infra);
    const char *name = strrchr(base, '/');
    if (plan->kind == CGROUP_SCOPE && strcmp(name + 1, supervisor->cgroup.units.unit) != 0)
        return fail(failure, "cgroup", 0, "%s: systemd did not put process %d into it", supervisor->cgroup.units.unit, (int)infra);
    return clear(base, failure) < 0 ? -1 : arrange(supervisor, base, failure);
}

static char *read_text(const struct cgroup *cgroup, const char *name, size_t *size) {
    auto_close int fd = openat(cgroup->directory, name, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? NULL : read_all(fd, TEXT_MAX, size);
}

/** A line `KEY NUMBER`. */
static uint64_t count_in(const struct cgroup *cgroup, const char *file, const char *key) {
    size_t size = 0, length = strlen(key);
    uint64_t number = 0;
    auto_free char *text = read_text(cgroup, file, &size);
    for (char *rest = text, *line; text && (line = strsep(&rest, "\n"));)
        if (strncmp(line, key, length) == 0 && line[length] == ' ')
            parse_number(line + length + 1, UINT64_MAX, &number);
    return number;
}

void cgroup_look(struct supervisor *supervisor) {
    struct cgroup *cgroup = &supervisor->cgroup;
    if (cgroup->directory < 0)
        return;
    uint64_t kills = count_in(cgroup, "memory.events", "oom_kill");
    if (kills <= cgroup->kills)
        return;
    cgroup->kills = kills;
    cgroup->out_of_memory = true;
    events_write(&supervisor->events, "oom", "");
}

static void memory_changed(struct watch *watch, uint32_t events) {
    char text[TEXT_MAX];
    (void)events;
    (void)!pread(watch->fd, text, sizeof text, 0); /* the next change is told after this one was read */
    cgroup_look(watch->owner);
}

static void events_changed(struct watch *watch, uint32_t events) {
    struct supervisor *supervisor = watch->owner;
    struct cgroup *cgroup = &supervisor->cgroup;
    char text[TEXT_MAX];
    (void)events;
    (void)!pread(watch->fd, text, sizeof text, 0);
    if (!cgroup->freezing || count_in(cgroup, "cgroup.events", "frozen") != cgroup->freeze)
        return;
    cgroup->freezing = false;
    freezing_done(supervisor, 0);
}

/** Files that the kernel tells changes of. Not all cgroups have memory.events. */
static void observe(struct supervisor *supervisor, struct watch *watch, const char *name, watch_ready *ready) {
    char text[TEXT_MAX];
    *watch = (struct watch){.fd = openat(supervisor->cgroup.directory, name, O_RDONLY | O_CLOEXEC), .ready = ready, .owner = supervisor};
    if (watch->fd >= 0 && (read(watch->fd, text, sizeof text) < 0 || watch_set(supervisor->epoll, watch, EPOLLPRI | EPOLLET) < 0))
        watch_close(supervisor->epoll, watch);
}

int cgroup_finish(struct supervisor *supervisor, pid_t infra, struct failure *failure) {
    struct cgroup *cgroup = &supervisor->cgroup;
    if (supervisor->plan->cgroup.kind == CGROUP_NONE)
        return 0;
    int result = place(supervisor, infra, failure);
    units_close(&cgroup->units);
    if (result < 0)
        return -1;
    cgroup->directory = open(cgroup->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cgroup->directory < 0)
        return fail(failure, "cgroup", errno, "%s", cgroup->path);
    observe(supervisor, &cgroup->memory, "memory.events", memory_changed);
    observe(supervisor, &cgroup->events, "cgroup.events", events_changed);
    return 0;
}

void cgroup_renew(struct supervisor *supervisor) {
    struct cgroup *cgroup = &supervisor->cgroup;
    cgroup->out_of_memory = cgroup->freezing = false;
    if (cgroup->freeze)
        write_file_at(cgroup->directory, "cgroup.freeze", "0"); /* killed while it was paused */
    cgroup->freeze = false;
}

int cgroup_freeze(struct supervisor *supervisor, bool freeze) {
    struct cgroup *cgroup = &supervisor->cgroup;
    if (cgroup->events.fd < 0)
        return ENOENT;
    if (write_file_at(cgroup->directory, "cgroup.freeze", freeze ? "1" : "0") < 0)
        return errno;
    cgroup->freezing = true;
    cgroup->freeze = freeze;
    return 0;
}

void cgroup_kill(const struct supervisor *supervisor) {
    if (supervisor->cgroup.directory >= 0)
        write_file_at(supervisor->cgroup.directory, "cgroup.kill", "1");
}

/** A pod's stays as long as somebody is in it. */
static void remove_all(const struct plan_cgroup *plan, char *path) {
    rmdir(path);
    if (!plan->holds_pod)
        return;
    *strrchr(path, '/') = 0;
    rmdir(path);
    if (plan->kind == CGROUP_DIRECTORY)
        rmdir(plan->path);
}

void cgroup_remove(struct supervisor *supervisor) {
    struct cgroup *cgroup = &supervisor->cgroup;
    units_close(&cgroup->units);
    watch_close(supervisor->epoll, &cgroup->events);
    watch_close(supervisor->epoll, &cgroup->memory);
    drop_fd(&cgroup->directory);
    if (cgroup->path)
        remove_all(&supervisor->plan->cgroup, cgroup->path);
    free(cgroup->path);
    cgroup->path = NULL;
}
