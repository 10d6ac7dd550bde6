/* The operations a plan may hold; private to plan*.c. */
#ifndef CORACLE_PLAN_OPS_H
#define CORACLE_PLAN_OPS_H

#include "plan.h"

struct plan_op {
    const char *name;
    unsigned kinds;
    unsigned char least, most;
    /** Stores the arguments; false when one of them is malformed or memory is short. */
    bool (*apply)(struct plan *plan, char **arguments, size_t count);
};

/** NULL for a name that plans of this kind do not have. */
const struct plan_op *plan_op_find(const char *name, unsigned kind);

/* plan-mounts.c */
bool plan_add_mount(struct plan *plan, char **arguments, size_t count);
/* These belong to the mount before them. */
bool plan_add_mount_layer(struct plan *plan, char **arguments, size_t count);
bool plan_set_mount_upper(struct plan *plan, char **arguments, size_t count);
bool plan_set_mount_label(struct plan *plan, char **arguments, size_t count);
bool plan_set_mount_inside(struct plan *plan, char **arguments, size_t count);
bool plan_add_secret(struct plan *plan, char **arguments, size_t count);
bool plan_set_fuse_options(struct plan *plan, char **arguments, size_t count);
bool plan_add_device(struct plan *plan, char **arguments, size_t count);

/* plan-networks.c */
bool plan_set_net_hold(struct plan *plan, char **arguments, size_t count);
bool plan_add_attachment(struct plan *plan, char **arguments, size_t count);
/* These belong to the attachment before them; a resolver before any is the container's own. */
bool plan_add_name(struct plan *plan, char **arguments, size_t count);
bool plan_add_resolver(struct plan *plan, char **arguments, size_t count);
bool plan_set_elsewhere(struct plan *plan, char **arguments, size_t count);
bool plan_add_route(struct plan *plan, char **arguments, size_t count);

/* plan-care.c */
bool plan_set_stop(struct plan *plan, char **arguments, size_t count);
bool plan_set_timeout(struct plan *plan, char **arguments, size_t count);
bool plan_set_restart(struct plan *plan, char **arguments, size_t count);
bool plan_set_health(struct plan *plan, char **arguments, size_t count);
bool plan_set_events(struct plan *plan, char **arguments, size_t count);
bool plan_set_notify(struct plan *plan, char **arguments, size_t count);
bool plan_set_pidfile(struct plan *plan, char **arguments, size_t count);
bool plan_set_preserved(struct plan *plan, char **arguments, size_t count);
bool plan_set_no_health(struct plan *plan, char **arguments, size_t count);

/* plan-cgroup.c */
bool plan_set_cgroup(struct plan *plan, char **arguments, size_t count);
bool plan_add_cgroup_setting(struct plan *plan, char **arguments, size_t count);
bool plan_set_cgroup_pod(struct plan *plan, char **arguments, size_t count);

/* plan-bundle.c */
bool plan_set_ns_path(struct plan *plan, char **arguments, size_t count);
bool plan_set_capabilities(struct plan *plan, char **arguments, size_t count);
bool plan_add_hook(struct plan *plan, char **arguments, size_t count);
/* These belong to the hook before them. */
bool plan_add_hook_argument(struct plan *plan, char **arguments, size_t count);
bool plan_add_hook_environment(struct plan *plan, char **arguments, size_t count);
bool plan_set_state(struct plan *plan, char **arguments, size_t count);
bool plan_set_console(struct plan *plan, char **arguments, size_t count);
bool plan_set_domainname(struct plan *plan, char **arguments, size_t count);
bool plan_set_hold(struct plan *plan, char **arguments, size_t count);
bool plan_set_root_slave(struct plan *plan, char **arguments, size_t count);
bool plan_set_target(struct plan *plan, char **arguments, size_t count);

/* plan-ids.c */
bool plan_set_keep_groups(struct plan *plan, char **arguments, size_t count);
bool plan_set_id_map(struct plan *plan, char **arguments, size_t count);
bool plan_set_outer_map(struct plan *plan, char **arguments, size_t count);
bool plan_add_uid_range(struct plan *plan, char **arguments, size_t count);
bool plan_add_gid_range(struct plan *plan, char **arguments, size_t count);
bool plan_add_outer_uids(struct plan *plan, char **arguments, size_t count);
bool plan_add_outer_gids(struct plan *plan, char **arguments, size_t count);

#endif
