/* Records that only plans of bundles have: what a config.json can say beyond `run`. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>

#include "plan-ops.h"
#include "plan-values.h"

bool plan_set_ns_path(struct plan *plan, char **arguments, size_t count) {
    int ns = CHOOSE(arguments[0], "pid", "ipc", "uts", "cgroup", "net", "user");
    if (count != 2 || ns < 0)
        return false;
    return plan_absolute(ns == PLAN_NS_COUNT ? &plan->user_ns_path : &plan->ns_path[ns], arguments[1]);
}

bool plan_set_capabilities(struct plan *plan, char **arguments, size_t count) {
    for (size_t i = 0; i < count; i++) {
        char *end = NULL;
        size_t length = strlen(arguments[i]);
        if (length == 0 || length > 16 || strspn(arguments[i], "0123456789abcdef") != length)
            return false;
        plan->capability_sets[i] = strtoull(arguments[i], &end, 16);
    }
    return plan->has_capability_sets = count == CAPABILITY_SETS;
}

bool plan_add_hook(struct plan *plan, char **arguments, size_t count) {
    int kind = CHOOSE(arguments[0], "create-container", "start-container");
    struct plan_hook *hook = count == 3 && kind >= 0 && arguments[2][0] == '/' ? GROW(plan->hooks) : NULL;
    if (!hook)
        return false;
    hook->kind = (enum hook_kind)kind;
    hook->path = arguments[2];
    return parse_number(arguments[1], INT32_MAX / 1000, &hook->timeout);
}

static struct plan_hook *last_hook(struct plan *plan) {
    return plan->hooks.count > 0 ? &plan->hooks.items[plan->hooks.count - 1] : NULL;
}

bool plan_add_hook_argument(struct plan *plan, char **arguments, size_t count) {
    struct plan_hook *hook = last_hook(plan);
    return hook && count == 1 && plan_add_string(&hook->arguments, arguments[0]);
}

bool plan_add_hook_environment(struct plan *plan, char **arguments, size_t count) {
    struct plan_hook *hook = last_hook(plan);
    return hook && count == 1 && plan_add_string(&hook->environment, arguments[0]);
}

bool plan_set_state(struct plan *plan, char **arguments, size_t count) {
    plan->state_begin = arguments[0];
    plan->state_end = arguments[1];
    return count == 2;
}

bool plan_set_console(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && plan_absolute(&plan->console, arguments[0]);
}

bool plan_set_domainname(struct plan *plan, char **arguments, size_t count) {
    plan->domainname = arguments[0];
    return count == 1 && strlen(arguments[0]) <= 64;
}

bool plan_set_hold(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    return plan->hold = count == 0;
}

bool plan_set_root_slave(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    return plan->root_slave = count == 0;
}

bool plan_set_target(struct plan *plan, char **arguments, size_t count) {
    uint64_t pid;
    if (count != 2 || !parse_number(arguments[0], INT32_MAX, &pid) || pid == 0)
        return false;
    plan->target = (pid_t)pid;
    return parse_number(arguments[1], INT64_MAX, &plan->target_start);
}
