/* Records on the container's cgroup. */
#define _GNU_SOURCE
#include <string.h>

#include "plan-ops.h"
#include "plan-values.h"

/** Part of a path of a cgroup, or of a unit's name: nothing that leads elsewhere. */
static bool is_name(const char *text) {
    return *text && *text != '.' && strlen(text) < 160 && !strchr(text, '/');
}

static bool set_manager(struct plan_manager *manager, const char *how, const char *socket) {
    int kind = CHOOSE(how, "private", "bus");
    *manager = (struct plan_manager){.bus = kind == 1, .socket = socket};
    return kind >= 0 && (*socket == '/' || *socket == '@');
}

/** scope MOUNT UNIT SLICE|- private|bus SOCKET; apart, the same, of which S is no part. */
static bool set_scope(struct plan_cgroup *cgroup, char **arguments, size_t count) {
    if (count != 6 || !is_name(arguments[2]) || (strcmp(arguments[3], "-") != 0 && !is_name(arguments[3])))
        return false;
    cgroup->unit = arguments[2];
    cgroup->slice = strcmp(arguments[3], "-") == 0 ? NULL : arguments[3];
    return plan_absolute(&cgroup->mount, arguments[1]) && set_manager(&cgroup->manager, arguments[4], arguments[5]);
}

/** member PATH UNIT private|bus SOCKET; member PATH, which is no unit's. */
static bool set_member(struct plan_cgroup *cgroup, char **arguments, size_t count) {
    if (count == 5) {
        cgroup->unit = arguments[2];
        if (!is_name(arguments[2]) || !set_manager(&cgroup->manager, arguments[3], arguments[4]))
            return false;
    }
    return (count == 2 || count == 5) && plan_absolute(&cgroup->pod, arguments[1]);
}

bool plan_set_cgroup(struct plan *plan, char **arguments, size_t count) {
    struct plan_cgroup *cgroup = &plan->cgroup;
    int kind = CHOOSE(arguments[0], NULL, "scope", "split", "directory", "member", "apart");
    if (kind < 1)
        return false;
    cgroup->apart = kind == 5;
    cgroup->kind = cgroup->apart ? CGROUP_SCOPE : (enum cgroup_kind)kind;
    switch (cgroup->kind) {
    case CGROUP_SCOPE:
        return set_scope(cgroup, arguments, count);
    case CGROUP_MEMBER:
        return set_member(cgroup, arguments, count);
    case CGROUP_SPLIT:
        return count == 2 && plan_absolute(&cgroup->mount, arguments[1]);
    default:
        return count == 2 && plan_absolute(&cgroup->path, arguments[1]);
    }
}

/** Only what controllers have: nobody moves or stops processes by a limit. */
bool plan_add_cgroup_setting(struct plan *plan, char **arguments, size_t count) {
    struct plan_setting *setting = GROW(plan->cgroup.settings);
    if (setting)
        *setting = (struct plan_setting){arguments[0], arguments[1]};
    return setting && count == 2 && is_name(arguments[0]) && strncmp(arguments[0], "cgroup.", 7) != 0 && strchr(arguments[0], '.');
}

bool plan_set_cgroup_pod(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    return plan->cgroup.holds_pod = count == 0;
}
