/* The records that say which ids a container has. */
#include "plan-ops.h"

#include <string.h>

#include "plan-values.h"

bool plan_set_keep_groups(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    return plan->ids.keep_groups = plan->outer.keep_groups = count == 0;
}

static bool choose_map(struct id_map *map, char **arguments, size_t count) {
    int how = CHOOSE(arguments[0], NULL, "newuidmap", "direct", "single", "host");
    map->how = how > 0 ? (enum id_map_how)how : ID_MAP_NONE;
    return count == 1 && how > 0;
}

bool plan_set_id_map(struct plan *plan, char **arguments, size_t count) {
    return choose_map(&plan->ids, arguments, count) && (plan->ids.how != ID_MAP_HOST || plan->kind == PLAN_CREATE);
}

bool plan_set_outer_map(struct plan *plan, char **arguments, size_t count) {
    return choose_map(&plan->outer, arguments, count) && (plan->outer.how == ID_MAP_NEWUIDMAP || plan->outer.how == ID_MAP_DIRECT);
}

static bool add_range(struct id_ranges *ranges, char **arguments, size_t count) {
    uint64_t container, host, size;
    if (count != 3 || !parse_number(arguments[0], INT32_MAX, &container) || !parse_number(arguments[1], UINT32_MAX - 1, &host) ||
        !parse_number(arguments[2], INT32_MAX, &size) || size == 0 || container + size > (uint64_t)INT32_MAX + 1 || host + size > UINT32_MAX ||
        ranges->count >= 340)
        return false;
    struct id_range *range = GROW(*ranges);
    if (range)
        *range = (struct id_range){(uint32_t)container, (uint32_t)host, (uint32_t)size};
    return range;
}

bool plan_add_uid_range(struct plan *plan, char **arguments, size_t count) {
    return add_range(&plan->ids.uid, arguments, count);
}

bool plan_add_gid_range(struct plan *plan, char **arguments, size_t count) {
    return add_range(&plan->ids.gid, arguments, count);
}

bool plan_add_outer_uids(struct plan *plan, char **arguments, size_t count) {
    return add_range(&plan->outer.uid, arguments, count);
}

bool plan_add_outer_gids(struct plan *plan, char **arguments, size_t count) {
    return add_range(&plan->outer.gid, arguments, count);
}
