#define _GNU_SOURCE
#include "identity.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/syscalls.h"
#include "files/paths.h"

enum { MAX_FILE = 1 << 20, MAX_FIELDS = 8 };

/** /dev/null stands in the place of a masked file. */
static bool is_masked(const struct stat *status) {
    return S_ISCHR(status->st_mode) && status->st_rdev == makedev(1, 3);
}

/** The text of a small regular file of the image; "" when there is none or it is masked. A fifo, another device or a huge file is an error. */
static char *read_database(int root, const char *path, struct failure *failure) {
    struct stat status;
    size_t size;
    auto_close int fd = sys_openat2(root, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR))
        return calloc(1, 1);
    char *text = NULL;
    if (fd < 0 || fstat(fd, &status) < 0)
        fail(failure, "user", errno, "%s", path);
    else if (is_masked(&status))
        text = calloc(1, 1);
    else if (!S_ISREG(status.st_mode) || status.st_size > MAX_FILE)
        fail(failure, "user", EINVAL, "%s is no regular file of at most 1 MiB", path);
    else if (!(text = read_all(fd, MAX_FILE, &size)))
        fail(failure, "user", errno, "%s", path);
    return text;
}

/** Cuts the next line into fields at colons; false at the end. */
static bool next_entry(char **rest, char *fields[MAX_FIELDS], size_t *count) {
    char *line = strsep(rest, "\n");
    if (!line)
        return false;
    for (*count = 0; line && *count < MAX_FIELDS;)
        fields[(*count)++] = strsep(&line, ":");
    return true;
}

static bool parse_id(const char *text, uint32_t *id) {
    uint64_t value;
    if (!parse_number(text, INT32_MAX, &value))
        return false;
    *id = (uint32_t)value;
    return true;
}

static bool all_digits(const char *text) {
    return *text && text[strspn(text, "0123456789")] == 0;
}

struct wanted_user {
    const char *name;
    bool numeric;
    uint32_t id;
    bool found;
    char login[256];
};

static int find_user(int root, struct wanted_user *wanted, struct identity *identity, struct failure *failure) {
    char *fields[MAX_FIELDS];
    size_t count;
    auto_free char *text = read_database(root, "etc/passwd", failure);
    if (!text)
        return -1;
    for (char *rest = text; next_entry(&rest, fields, &count);) {
        uint32_t uid, gid;
        if (count < 6 || !parse_id(fields[2], &uid) || !parse_id(fields[3], &gid))
            continue;
        if (wanted->numeric ? uid != wanted->id : strcmp(fields[0], wanted->name) != 0)
            continue;
        identity->uid = uid;
        identity->gid = gid;
        snprintf(identity->home, sizeof identity->home, "%s", fields[5]);
        snprintf(wanted->login, sizeof wanted->login, "%s", fields[0]);
        wanted->found = true;
        return 0;
    }
    if (!wanted->numeric)
        return fail(failure, "user", 0, "%.200s: no such user in /etc/passwd", wanted->name);
    identity->uid = wanted->id;
    return 0;
}

static bool list_holds(const char *members, const char *login) {
    size_t length = strlen(login);
    for (const char *at = members; *at; at += *at == ',') {
        size_t part = strcspn(at, ",");
        if (part == length && strncmp(at, login, length) == 0)
            return true;
        at += part;
    }
    return false;
}

static int add_group(struct identity *identity, gid_t gid, struct failure *failure) {
    for (size_t i = 0; i < identity->group_count; i++)
        if (identity->groups[i] == gid)
            return 0;
    if (identity->group_count == MAX_GROUPS)
        return fail(failure, "user", E2BIG, "more than %d groups", MAX_GROUPS);
    identity->groups[identity->group_count++] = gid;
    return 0;
}

/** A gid by number or by name in `text`, a copy of /etc/group that is consumed. */
static int find_group(const char *name, const char *database, gid_t *gid, struct failure *failure) {
    char *fields[MAX_FIELDS];
    size_t count;
    if (all_digits(name))
        return parse_id(name, gid) ? 0 : fail(failure, "user", 0, "gid %.200s: no number of an id", name);
    auto_free char *text = strdup(database);
    if (!text)
        return fail(failure, "user", ENOMEM, "groups");
    for (char *rest = text; next_entry(&rest, fields, &count);)
        if (count >= 3 && strcmp(fields[0], name) == 0 && parse_id(fields[2], gid))
            return 0;
    return fail(failure, "user", 0, "%.200s: no such group in /etc/group", name);
}

/** The groups that list the login as a member; only when no group was named, as Docker does. */
static int add_memberships(const char *login, const char *database, struct identity *identity, struct failure *failure) {
    char *fields[MAX_FIELDS];
    size_t count;
    auto_free char *text = strdup(database);
    if (!text)
        return fail(failure, "user", ENOMEM, "groups");
    for (char *rest = text; next_entry(&rest, fields, &count);) {
        gid_t gid;
        if (count >= 4 && list_holds(fields[3], login) && parse_id(fields[2], &gid) && add_group(identity, gid, failure) < 0)
            return -1;
    }
    return 0;
}

static bool mapped(const struct id_ranges *ranges, uint32_t id) {
    for (size_t i = 0; i < ranges->count; i++)
        if (id >= ranges->items[i].container && id - ranges->items[i].container < ranges->items[i].size)
            return true;
    return false;
}

static int check_mapped(const struct id_map *map, const struct identity *identity, struct failure *failure) {
    if (!mapped(&map->uid, identity->uid))
        return fail(failure, "user", 0, "uid %u is not mapped", (unsigned)identity->uid);
    if (!mapped(&map->gid, identity->gid))
        return fail(failure, "user", 0, "gid %u is not mapped", (unsigned)identity->gid);
    for (size_t i = 0; i < identity->group_count; i++)
        if (!mapped(&map->gid, identity->groups[i]))
            return fail(failure, "user", 0, "gid %u is not mapped", (unsigned)identity->groups[i]);
    return 0;
}

static int resolve_groups(int root, const char *group, const struct strings *extra, const struct wanted_user *wanted, struct identity *identity, struct failure *failure) {
    auto_free char *database = read_database(root, "etc/group", failure);
    if (!database)
        return -1;
    if (group && find_group(group, database, &identity->gid, failure) < 0)
        return -1;
    if (add_group(identity, identity->gid, failure) < 0)
        return -1;
    if (!group && wanted->found && add_memberships(wanted->login, database, identity, failure) < 0)
        return -1;
    for (size_t i = 0; i < extra->count; i++) {
        gid_t gid;
        if (find_group(extra->items[i], database, &gid, failure) < 0 || add_group(identity, gid, failure) < 0)
            return -1;
    }
    return 0;
}

int identity_resolve(int root, const char *user, const struct strings *groups, const struct id_map *map, struct identity *identity, struct failure *failure) {
    char name[512];
    *identity = (struct identity){.home = "/"};
    if ((size_t)snprintf(name, sizeof name, "%s", user && *user ? user : "0") >= sizeof name)
        return fail(failure, "user", ENAMETOOLONG, "%.200s", user);
    char *group = strchr(name, ':');
    if (group)
        *group++ = 0;
    if (!*name || (group && !*group))
        return fail(failure, "user", EINVAL, "%.200s", user);
    struct wanted_user wanted = {.name = name, .numeric = all_digits(name)};
    if (wanted.numeric && !parse_id(name, &wanted.id))
        return fail(failure, "user", 0, "uid %.200s: no number of an id", name);
    if (find_user(root, &wanted, identity, failure) < 0 || resolve_groups(root, group, groups, &wanted, identity, failure) < 0)
        return -1;
    return map ? check_mapped(map, identity, failure) : 0;
}
