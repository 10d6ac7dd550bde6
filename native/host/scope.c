#define _GNU_SOURCE
#include "scope.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "supervisor/units.h"

enum { PROPERTIES_MAX = 16 };

static bool read_number(const char *text, uint64_t *number) {
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return errno == 0 && end != text && *end == 0 && *text != '-';
}

static bool read_pid(const char *text, pid_t *pid) {
    uint64_t number;
    bool read = read_number(text, &number) && number > 0 && number <= INT32_MAX;
    *pid = read ? (pid_t)number : 0;
    return read;
}

/** UNIT SLICE|- PID [NAME NUMBER]... */
static int make(struct units *units, char **words, size_t count, struct failure *failure) {
    struct unit_property properties[PROPERTIES_MAX];
    struct scope scope = {.description = "container of coracle-oci", .properties = properties, .property_count = (count - 3) / 2};
    bool taken;
    pid_t pid;
    if (count < 3 || count % 2 == 0 || scope.property_count > PROPERTIES_MAX || strlen(words[0]) >= UNIT_NAME_SIZE || !read_pid(words[2], &pid))
        return fail(failure, "plan", EINVAL, "scope make");
    for (size_t i = 0; i < scope.property_count; i++) {
        properties[i].name = words[3 + 2 * i];
        if (!read_number(words[4 + 2 * i], &properties[i].value))
            return fail(failure, "plan", EINVAL, "%s", properties[i].name);
    }
    scope.unit = words[0];
    scope.slice = strcmp(words[1], "-") == 0 ? NULL : words[1];
    scope.pids = &pid;
    scope.pid_count = 1;
    return units_begin_scope(units, &scope, failure) < 0 ? -1 : units_await_scope(units, &taken, failure);
}

/** UNIT PID */
static int join(struct units *units, char **words, size_t count, struct failure *failure) {
    pid_t pid;
    if (count != 2 || strlen(words[0]) >= UNIT_NAME_SIZE || !read_pid(words[1], &pid))
        return fail(failure, "plan", EINVAL, "scope join");
    return units_attach(units, words[0], "", &pid, 1, failure);
}

static int act(char **words, size_t count, struct failure *failure) {
    static const struct {
        const char *name;
        int (*run)(struct units *units, char **words, size_t count, struct failure *failure);
    } verbs[] = {{"make", make}, {"join", join}};
    for (size_t i = 0; count > 2 && i < N_ELEMENTS(verbs); i++) {
        if (strcmp(words[0], verbs[i].name) != 0)
            continue;
        struct units units;
        const struct plan_manager manager = {.bus = strcmp(words[1], "bus") == 0, .socket = words[2]};
        if (units_open(&units, &manager, failure) < 0)
            return -1;
        int result = verbs[i].run(&units, words + 3, count - 3, failure);
        units_close(&units);
        return result;
    }
    return fail(failure, "plan", EINVAL, "scope");
}

int scope_main(int argc, char **argv) {
    struct failure failure = {0};
    return act(argv + 2, (size_t)argc - 2, &failure) == 0 ? 0 : failure_refuse(&failure);
}
