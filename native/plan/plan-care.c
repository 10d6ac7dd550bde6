/* Records on how S looks after a container beyond running it. */
#define _GNU_SOURCE
#include <limits.h>
#include <string.h>

#include "plan-ops.h"
#include "plan-values.h"

bool plan_set_stop(struct plan *plan, char **arguments, size_t count) {
    uint64_t number;
    if (count != 2 || !parse_number(arguments[0], 64, &number) || number == 0)
        return false;
    plan->stop_signal = (int)number;
    return parse_number(arguments[1], INT64_MAX / 4, &plan->stop_timeout_ms);
}

bool plan_set_timeout(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && parse_number(arguments[0], INT64_MAX / 4, &plan->timeout_ms);
}

bool plan_set_restart(struct plan *plan, char **arguments, size_t count) {
    uint64_t limit;
    int policy = CHOOSE(arguments[0], "no", "always", "on-failure", "unless-stopped");
    if (count != 2 || policy < 0 || !parse_number(arguments[1], UINT32_MAX, &limit))
        return false;
    plan->restart = (enum restart_policy)policy;
    plan->restart_limit = (unsigned)limit;
    plan->has_restart = true;
    return true;
}

bool plan_set_health(struct plan *plan, char **arguments, size_t count) {
    struct plan_health *health = &plan->health;
    uint64_t retries, log_count, log_size;
    int action = CHOOSE(arguments[6], "none", "kill", "restart", "stop");
    uint64_t *const times[] = {&health->interval_ms, &health->timeout_ms, &health->start_period_ms, &health->start_interval_ms};
    for (size_t i = 0; i < N_ELEMENTS(times); i++)
        if (!parse_number(arguments[1 + i], INT32_MAX, times[i]))
            return false;
    if (count != 9 || !parse_number(arguments[5], 1000, &retries) || !parse_number(arguments[7], 100, &log_count) || !parse_number(arguments[8], 65536, &log_size))
        return false;
    plan->has_health = true;
    health->retries = (unsigned)retries;
    health->log_count = (unsigned)log_count;
    health->log_size = (unsigned)log_size;
    health->action = action > 0 ? (enum health_action)action : HEALTH_NOTHING;
    return action >= 0 && health->interval_ms > 0 && plan_absolute(&health->plan, arguments[0]);
}

bool plan_set_events(struct plan *plan, char **arguments, size_t count) {
    plan->events.subject = arguments[2];
    return count == 3 && *arguments[2] && plan_absolute(&plan->events.path, arguments[0]) && plan_absolute(&plan->events.lock, arguments[1]);
}

bool plan_set_notify(struct plan *plan, char **arguments, size_t count) {
    int mode = CHOOSE(arguments[0], NULL, "container", "conmon", "healthy");
    plan->notify.mode = mode > 0 ? (enum notify_mode)mode : NOTIFY_NONE;
    plan->notify.manager = arguments[1];
    return count == 3 && mode > 0 && (arguments[1][0] == '/' || arguments[1][0] == '@') && plan_absolute(&plan->notify.directory, arguments[2]);
}

bool plan_set_pidfile(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && plan_absolute(&plan->pidfile, arguments[0]);
}

bool plan_set_preserved(struct plan *plan, char **arguments, size_t count) {
    uint64_t number;
    bool good = count == 1 && parse_number(arguments[0], 16, &number);
    plan->preserved = good ? (unsigned)number : 0;
    return good;
}

bool plan_set_no_health(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    plan->health = (struct plan_health){0};
    plan->has_health = true;
    return count == 0;
}
