#define _GNU_SOURCE
#include <string.h>
#include <sys/mount.h>

#include "plan-ops.h"
#include "plan-values.h"

/** The kernel's number for how mounts are passed on. Recursive or not is one: what a source has below it goes with it. */
static bool set_propagation(struct plan_mount *mount, const char *value) {
    static const unsigned flags[] = {0, 0, MS_SLAVE, MS_SLAVE, MS_SHARED, MS_SHARED, MS_UNBINDABLE, MS_UNBINDABLE};
    int index = CHOOSE(value, "private", "rprivate", "slave", "rslave", "shared", "rshared", "unbindable", "runbindable");
    if (index >= 0)
        mount->propagation = flags[index];
    return index >= 0;
}

static bool set_mount_value(struct plan_mount *mount, const char *option, const char *value) {
    static const char *const keys[] = {"mode", "size", "gid", "uid", "nr_inodes", "max", "hidepid", "subset"};
    const char **const values[] = {&mount->mode, &mount->size, &mount->gid, &mount->uid, &mount->inodes, &mount->max, &mount->hidepid, &mount->subset};
    if (strcmp(option, "propagation") == 0)
        return set_propagation(mount, value);
    if (strcmp(option, "create") == 0) {
        int create = CHOOSE(value, NULL, "file", "dir");
        mount->create = create > 0 ? (enum mount_create)create : CREATE_AS_SOURCE;
        return create > 0;
    }
    int index = plan_choose(option, keys, N_ELEMENTS(keys));
    if (index >= 0)
        *values[index] = value;
    return index >= 0;
}

/** One option of a mount; `option` is cut at the comma already. */
static bool set_mount_option(struct plan_mount *mount, char *option) {
    char *value = strchr(option, '=');
    if (value) {
        *value++ = 0;
        return set_mount_value(mount, option, value);
    }
    static const char *const flags[] = {"ro", "rw", "nosuid", "nodev", "noexec", "rec", "norec", "copyup", "nofollow-source", "ro-shallow", "chown", "keep-owner", "durable", "noatime", "nodiratime", "strictatime", "slave", "shown"};
    bool ignored, *const targets[] = {&mount->read_only, &ignored, &mount->nosuid, &mount->nodev, &mount->noexec, &mount->recursive, &mount->flat, &mount->copy_up, &mount->nofollow_source, &mount->read_only_top, &mount->chown, &mount->keep_owner, &mount->durable, &mount->noatime, &mount->nodiratime, &mount->strictatime, &mount->slave, &mount->shown};
    int index = plan_choose(option, flags, N_ELEMENTS(flags));
    if (index >= 0)
        *targets[index] = true;
    return index >= 0;
}

/** `OFFSET:SIZE`; what it means is checked once the data is there. */
static bool parse_data(char *text, struct plan_data *data) {
    char *colon = strchr(text, ':');
    if (!colon)
        return false;
    *colon = 0;
    bool good = parse_number(text, PLAN_MAX_DATA, &data->offset) && parse_number(colon + 1, PLAN_MAX_DATA, &data->size);
    *colon = ':';
    return good;
}

bool plan_add_mount(struct plan *plan, char **arguments, size_t count) {
    int kind = CHOOSE(arguments[0], "proc", "sysfs", "cgroup2", "dev", "devpts", "mqueue", "tmpfs", "ramfs", "bind", "overlay", "data", "neighbour");
    if (count != 4 || kind < 0 || arguments[2][0] != '/' || ((kind == MOUNT_BIND || kind == MOUNT_NEIGHBOUR) && arguments[1][0] != '/'))
        return false;
    struct plan_mount *mount = GROW(plan->mounts);
    if (!mount)
        return false;
    *mount = (struct plan_mount){.kind = (enum mount_kind)kind, .source = arguments[1], .destination = arguments[2], .mode = "", .size = "", .gid = "", .uid = "", .inodes = "", .max = "", .hidepid = "", .subset = ""};
    for (char *rest = arguments[3], *option; (option = strsep(&rest, ","));)
        if (*option && !set_mount_option(mount, option))
            return false;
    plan->propagates = plan->propagates || mount->propagation == MS_SLAVE || mount->propagation == MS_SHARED;
    return kind != MOUNT_DATA || parse_data(arguments[1], &mount->data);
}

/** The mount that the record belongs to, if it is of the kind; NULL else. */
static struct plan_mount *last_mount(struct plan *plan, enum mount_kind kind) {
    struct plan_mount *mount = plan->mounts.count > 0 ? &plan->mounts.items[plan->mounts.count - 1] : NULL;
    return mount && mount->kind == kind ? mount : NULL;
}

bool plan_add_mount_layer(struct plan *plan, char **arguments, size_t count) {
    struct plan_mount *mount = last_mount(plan, MOUNT_OVERLAY);
    return mount && count == 1 && arguments[0][0] == '/' && plan_add_string(&mount->layers, arguments[0]);
}

bool plan_set_mount_upper(struct plan *plan, char **arguments, size_t count) {
    struct plan_mount *mount = last_mount(plan, MOUNT_OVERLAY);
    return mount && count == 2 && plan_absolute(&mount->upper, arguments[0]) && plan_absolute(&mount->work, arguments[1]);
}

bool plan_set_mount_inside(struct plan *plan, char **arguments, size_t count) {
    struct plan_mount *mount = last_mount(plan, MOUNT_OVERLAY);
    if (!mount)
        mount = last_mount(plan, MOUNT_BIND);
    if (mount)
        mount->inside = arguments[0];
    return mount && count == 1 && *arguments[0];
}

bool plan_set_mount_label(struct plan *plan, char **arguments, size_t count) {
    struct plan_mount *mount = last_mount(plan, MOUNT_BIND);
    if (mount)
        mount->label = arguments[0];
    return mount && count == 1 && *arguments[0];
}

bool plan_add_secret(struct plan *plan, char **arguments, size_t count) {
    struct plan_secret *secret = count == 2 && *arguments[0] && !strchr(arguments[0], '=') ? GROW(plan->secrets) : NULL;
    if (secret)
        secret->name = arguments[0];
    return secret && parse_data(arguments[1], &secret->data);
}

bool plan_add_device(struct plan *plan, char **arguments, size_t count) {
    struct plan_device *device = GROW(plan->devices);
    if (device)
        *device = (struct plan_device){arguments[0], arguments[1]};
    return device && count == 2 && arguments[0][0] == '/' && arguments[1][0] == '/';
}

/** A word of options: nothing in it may end the option before it in a way of its own. */
bool plan_set_fuse_options(struct plan *plan, char **arguments, size_t count) {
    plan->fuse_options = arguments[0];
    size_t length = strlen(arguments[0]);
    return count == 1 && length < 8192 && strspn(arguments[0], "abcdefghijklmnopqrstuvwxyz0123456789=:,") == length;
}
