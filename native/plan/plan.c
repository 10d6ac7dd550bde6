#define _GNU_SOURCE
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "plan-ops.h"

static const char magic[] = "coracle-plan 1";

uint32_t plan_crc(const void *data, size_t size) {
    const unsigned char *bytes = data;
    uint32_t table[16], crc = 0xffffffff;
    for (uint32_t i = 0; i < 16; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 4; bit++)
            value = value & 1 ? (value >> 1) ^ 0xedb88320 : value >> 1;
        table[i] = value;
    }
    for (size_t i = 0; i < size; i++) {
        crc = table[(crc ^ bytes[i]) & 15] ^ (crc >> 4);
        crc = table[(crc ^ (bytes[i] >> 4)) & 15] ^ (crc >> 4);
    }
    return ~crc;
}

/** The cursor over the strings; every string ends inside the buffer because the buffer's last byte is NUL. */
struct reader {
    char *next, *end;
};

static char *next_string(struct reader *reader) {
    if (reader->next >= reader->end)
        return NULL;
    char *text = reader->next;
    reader->next += strlen(text) + 1;
    return text;
}

/** `end`, `1`, eight digits. Checked before anything is parsed, because parsing cuts strings in place. */
enum { END_SIZE = sizeof "end" + sizeof "1" + 9 };

static int check_sum(const char *buffer, size_t size, struct failure *failure) {
    char expected[END_SIZE + 1];
    if (size < END_SIZE || size > PLAN_MAX_SIZE || buffer[size - 1] != 0)
        return fail(failure, "plan", EINVAL, "size %zu", size);
    size_t body = size - END_SIZE;
    snprintf(expected, sizeof expected, "end%c1%c%08x", 0, 0, (unsigned)plan_crc(buffer, body));
    return memcmp(buffer + body, expected, END_SIZE) == 0 ? 0 : fail(failure, "plan", EBADMSG, "checksum of the plan");
}

static int read_record(struct reader *reader, const char *name, enum plan_kind kind, struct plan *plan, struct failure *failure) {
    char *arguments[PLAN_MAX_ARGUMENTS];
    const struct plan_op *op = plan_op_find(name, (unsigned)kind);
    const char *count_text = next_string(reader);
    uint64_t count = 0;
    if (!op)
        return fail(failure, "plan", EINVAL, "unknown operation %.64s", name);
    if (!count_text || !parse_number(count_text, PLAN_MAX_ARGUMENTS, &count) || count < op->least || count > op->most)
        return fail(failure, "plan", EINVAL, "wrong number of arguments of %s", name);
    for (uint64_t i = 0; i < count; i++)
        if (!(arguments[i] = next_string(reader)))
            return fail(failure, "plan", EINVAL, "cut short in %s", name);
    errno = 0;
    if (!op->apply(plan, arguments, (size_t)count))
        return fail(failure, "plan", errno ? errno : EINVAL, "%s %.128s", name, count > 0 ? arguments[0] : "");
    return 0;
}

/** What every plan of the kind needs, so that later code need not ask again. */
static int check_complete(const struct plan *plan, enum plan_kind kind, struct failure *failure) {
    const char *missing = NULL;
    if (kind == PLAN_RUN) {
        if (!plan->id || !plan->directory || plan->mode == MODE_NONE)
            missing = "id, dir or mode";
        else if (plan->root == ROOT_NONE || (plan->root == ROOT_DIR ? !plan->rootdir : plan->layers.count == 0))
            missing = "root, layer or rootdir";
        else if (plan->root == ROOT_FUSE && !plan->fuse_program)
            missing = "fuse-program";
        else if (!plan->upper != !plan->work)
            missing = "upper or work";
        else if (plan->arguments.count == 0 || !*plan->arguments.items[0])
            missing = "arg";
    }
    if (kind == PLAN_EXEC && (!plan->socket || plan->mode == MODE_NONE || plan->arguments.count == 0 || !*plan->arguments.items[0]))
        missing = "socket, mode or arg";
    if (kind == PLAN_UNSHARE && (plan->arguments.count == 0 || !*plan->arguments.items[0]))
        missing = "arg";
    if (kind == PLAN_MOUNT && !plan->directory)
        missing = "dir";
    bool joins = kind == PLAN_AGENT && plan->container;
    if ((kind == PLAN_RUN || kind == PLAN_AGENT || kind == PLAN_UNSHARE || kind == PLAN_HOLDER) && !joins && (plan->ids.how == ID_MAP_NONE || !plan->ids.uid.count || !plan->ids.gid.count))
        missing = "idmap, uidmap or gidmap";
    if (plan_is_inner(plan) && (!plan->outer.uid.count || !plan->outer.gid.count || plan->ids.how != ID_MAP_DIRECT))
        missing = "outer-uidmap, outer-gidmap or idmap direct";
    if ((kind == PLAN_NETWORK && !plan->id) || (kind == PLAN_HOLDER && !plan->directory))
        missing = "id or dir";
    if (kind == PLAN_AGENT && !joins && plan->roots.count == 0)
        missing = "root";
    if (joins && plan->roots.count > 0)
        return fail(failure, "plan", EINVAL, "root beside container");
    if (kind == PLAN_CREATE && (!plan->directory || !plan->rootdir || plan->mode == MODE_NONE || plan->ids.how == ID_MAP_NONE || plan->arguments.count == 0))
        missing = "dir, rootdir, mode, idmap or arg";
    if (kind == PLAN_CREATE && plan->ids.how != ID_MAP_HOST && (!plan->ids.uid.count || !plan->ids.gid.count))
        missing = "uidmap or gidmap";
    if (kind == PLAN_CREATE && plan->hooks.count > 0 && !plan->state_begin)
        missing = "state";
    if (kind == PLAN_ENTER && (plan->target <= 0 || plan->mode == MODE_NONE || plan->arguments.count == 0))
        missing = "target, mode or arg";
    return missing ? fail(failure, "plan", EINVAL, "%s missing", missing) : 0;
}

int plan_parse(char *buffer, size_t size, enum plan_kind kind, struct plan *plan, struct failure *failure) {
    *plan = (struct plan){.kind = kind, .buffer = buffer, .personality = -1, .umask = 022, .stop_signal = 15, .stop_timeout_ms = 10000};
    if (check_sum(buffer, size, failure) < 0)
        return -1;
    struct reader reader = {buffer, buffer + size - END_SIZE};
    const char *first = next_string(&reader);
    if (!first || strcmp(first, magic) != 0)
        return fail(failure, "plan", EINVAL, "version %.32s", first ? first : "");
    for (size_t records = 0; records < PLAN_MAX_RECORDS; records++) {
        const char *name = next_string(&reader);
        if (!name)
            return check_complete(plan, kind, failure);
        if (read_record(&reader, name, kind, plan, failure) < 0)
            return -1;
    }
    return fail(failure, "plan", E2BIG, "more than %d records", PLAN_MAX_RECORDS);
}

int plan_read(int fd, enum plan_kind kind, struct plan *plan, struct failure *failure) {
    size_t size = 0;
    char *buffer = read_all(fd, PLAN_MAX_SIZE, &size);
    *plan = (struct plan){0};
    if (!buffer)
        return fail(failure, "plan", errno, "descriptor %d", fd);
    return plan_parse(buffer, size, kind, plan, failure);
}

static int check_data(const struct plan *plan, const struct plan_data *data, const char *what, struct failure *failure) {
    /* Neither number is above PLAN_MAX_DATA, so the sum does not wrap. */
    return data->offset + data->size <= plan->data_size ? 0 : fail(failure, "plan", EINVAL, "data of %s", what);
}

int plan_read_data(int fd, struct plan *plan, struct failure *failure) {
    bool wanted = plan->secrets.count > 0;
    for (size_t i = 0; i < plan->mounts.count; i++)
        wanted = wanted || plan->mounts.items[i].kind == MOUNT_DATA;
    if (!wanted)
        return 0;
    plan->data = read_all(fd, PLAN_MAX_DATA, &plan->data_size);
    if (!plan->data)
        return fail(failure, "plan", errno, "read data");
    for (size_t i = 0; i < plan->mounts.count; i++)
        if (check_data(plan, &plan->mounts.items[i].data, plan->mounts.items[i].destination, failure) < 0)
            return -1;
    for (size_t i = 0; i < plan->secrets.count; i++)
        if (check_data(plan, &plan->secrets.items[i].data, plan->secrets.items[i].name, failure) < 0)
            return -1;
    return 0;
}

void plan_free(struct plan *plan) {
    for (size_t i = 0; i < plan->mounts.count; i++)
        free(plan->mounts.items[i].layers.items);
    for (size_t i = 0; i < plan->hooks.count; i++) {
        free(plan->hooks.items[i].arguments.items);
        free(plan->hooks.items[i].environment.items);
    }
    for (size_t i = 0; i < plan->attachments.count; i++) {
        free(plan->attachments.items[i].names.items);
        free(plan->attachments.items[i].resolvers.items);
        free(plan->attachments.items[i].routes.items);
    }
    void *owned[] = {
        plan->data,            plan->secrets.items,
        plan->buffer,          plan->ids.uid.items,   plan->ids.gid.items,         plan->outer.uid.items,  plan->outer.gid.items, plan->layers.items,    plan->net_arguments.items,
        plan->ports.items,     plan->mounts.items,    plan->devices.items,         plan->masks.items,     plan->read_only_paths.items,
        plan->sysctls.items,   plan->passwd_lines.items, plan->group_lines.items,   plan->arguments.items, plan->environment.items,     plan->groups.items,    plan->rlimits.items,
        plan->removals.items,  plan->renames.items,   plan->roots.items,        plan->hooks.items,
        plan->attachments.items, plan->resolvers.items, plan->cgroup.settings.items,
    };
    for (size_t i = 0; i < N_ELEMENTS(owned); i++)
        free(owned[i]);
    *plan = (struct plan){0};
}
