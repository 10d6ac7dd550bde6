#define _GNU_SOURCE
#include "plan-ops.h"

#include <errno.h>
#include <string.h>
#include <sys/personality.h>
#include <sys/resource.h>

#include "plan-values.h"

#define STRING_OP(name, field)                                                                                             \
    static bool name(struct plan *plan, char **arguments, size_t count) {                                                  \
        plan->field = arguments[0];                                                                                        \
        return count == 1;                                                                                                 \
    }
#define PATH_OP(name, field)                                                                                               \
    static bool name(struct plan *plan, char **arguments, size_t count) {                                                  \
        return count == 1 && plan_absolute(&plan->field, arguments[0]);                                                         \
    }
#define FLAG_OP(name, field)                                                                                               \
    static bool name(struct plan *plan, char **arguments, size_t count) {                                                  \
        (void)arguments;                                                                                                   \
        return plan->field = count == 0;                                                                                   \
    }
#define STRINGS_OP(name, field)                                                                                            \
    static bool name(struct plan *plan, char **arguments, size_t count) {                                                  \
        return count == 1 && plan_add_string(&plan->field, arguments[0]);                                                       \
    }

PATH_OP(set_directory, directory)
PATH_OP(set_socket, socket)
PATH_OP(set_exec_socket, exec_socket)
PATH_OP(set_upper, upper)
PATH_OP(set_work, work)
PATH_OP(set_rootdir, rootdir)
PATH_OP(set_fuse_program, fuse_program)
PATH_OP(set_seccomp, seccomp)
PATH_OP(set_user_of, user_of)
PATH_OP(set_user_path, user_path)
PATH_OP(set_member_of, member_of)
FLAG_OP(set_ends_with_members, ends_with_members)
PATH_OP(set_net_of, ns_of[PLAN_NS_NET])
STRING_OP(set_user, user)
STRINGS_OP(add_passwd_line, passwd_lines)
STRINGS_OP(add_group_line, group_lines)
STRING_OP(set_apparmor, apparmor)
STRINGS_OP(add_layer, layers)
STRINGS_OP(add_mask, masks)
STRINGS_OP(add_read_only_path, read_only_paths)
STRINGS_OP(add_argument, arguments)
STRINGS_OP(add_group, groups)
STRINGS_OP(add_removal, removals)
FLAG_OP(set_volatile, is_volatile)
FLAG_OP(set_root_read_only, root_read_only)
FLAG_OP(set_home_env, home_env)
FLAG_OP(set_nnp, no_new_privileges)
FLAG_OP(set_init, init)
FLAG_OP(set_pause, pause)
FLAG_OP(set_signal_proxy, signal_proxy)
FLAG_OP(set_output_only, output_only)
FLAG_OP(set_keep_started, keep_started)

static bool set_id(struct plan *plan, char **arguments, size_t count) {
    plan->id = arguments[0];
    return count == 1 && strlen(plan->id) == 64 && strspn(plan->id, "0123456789abcdef") == 64;
}

static bool set_cwd(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && plan_absolute(&plan->cwd, arguments[0]);
}

static bool set_hostname(struct plan *plan, char **arguments, size_t count) {
    plan->hostname = arguments[0];
    return count == 1 && strlen(arguments[0]) <= 64;
}

/** The kernel takes no longer line. */
enum { BINFMT_LINE = 1920 };

static bool set_binfmt(struct plan *plan, char **arguments, size_t count) {
    plan->binfmt = arguments[0];
    size_t length = strlen(arguments[0]);
    return count == 1 && length > 0 && length < BINFMT_LINE;
}

static bool set_mode(struct plan *plan, char **arguments, size_t count) {
    int mode = CHOOSE(arguments[0], NULL, "detach", "foreground", "child");
    plan->mode = mode > 0 ? (enum run_mode)mode : MODE_NONE;
    return count == 1 && mode > 0;
}

/** `root DRIVER` of a run, `root NUMBER PATH ro|rw` of the agent. */
static bool set_root(struct plan *plan, char **arguments, size_t count) {
    uint64_t number;
    if (count == 1) {
        int driver = CHOOSE(arguments[0], NULL, "overlay", "fuse", "dir");
        plan->root = driver > 0 ? (enum root_driver)driver : ROOT_NONE;
        return driver > 0;
    }
    int access = count == 3 ? CHOOSE(arguments[2], "ro", "rw") : -1;
    if (access < 0 || !parse_number(arguments[0], UINT32_MAX, &number) || arguments[1][0] != '/')
        return false;
    struct plan_root *root = GROW(plan->roots);
    if (root)
        *root = (struct plan_root){.number = (uint32_t)number, .path = arguments[1], .writable = access == 1};
    return root;
}

/** What the agent shares with its client at most. */
#define MEMORY_MAX ((uint64_t)256 << 20)

static bool set_memory(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && parse_number(arguments[0], MEMORY_MAX, &plan->memory) && plan->memory > 0;
}

static bool set_ns(struct plan *plan, char **arguments, size_t count) {
    int ns = CHOOSE(arguments[0], "pid", "ipc", "uts", "cgroup", "net");
    int how = CHOOSE(arguments[1], "new", "host", "of");
    if (ns < 0 || how < 0 || (how == 2) != (count == 3))
        return false;
    plan->ns_host[ns] = how == 1;
    return how < 2 || plan_absolute(&plan->ns_of[ns], arguments[2]);
}

static bool set_net_helper(struct plan *plan, char **arguments, size_t count) {
    plan->net_helper = arguments[0];
    plan->net_arguments.count = 0;
    if (CHOOSE(arguments[0], "pasta", "slirp4netns") < 0 || arguments[1][0] != '/')
        return false;
    for (size_t i = 1; i < count; i++)
        if (!plan_add_string(&plan->net_arguments, arguments[i]))
            return false;
    return true;
}

static bool add_port(struct plan *plan, char **arguments, size_t count) {
    uint64_t host, container;
    int protocol = CHOOSE(arguments[0], "tcp", "udp");
    if (count < 5 || protocol < 0 || !parse_number(arguments[2], 65535, &host) || !parse_number(arguments[4], 65535, &container) || container == 0 ||
        plan->ports.count >= 1024)
        return false;
    struct plan_port *port = GROW(plan->ports);
    if (port)
        *port = (struct plan_port){
            .udp = protocol == 1,
            .host_address = arguments[1],
            .container_address = arguments[3],
            .container_address6 = count == 6 ? arguments[5] : NULL,
            .host_port = (uint16_t)host,
            .container_port = (uint16_t)container,
        };
    return port;
}

static bool add_sysctl(struct plan *plan, char **arguments, size_t count) {
    struct plan_sysctl *sysctl = GROW(plan->sysctls);
    if (sysctl)
        *sysctl = (struct plan_sysctl){arguments[0], arguments[1]};
    return sysctl && count == 2;
}

static bool add_environment(struct plan *plan, char **arguments, size_t count) {
    const char *equals = strchr(arguments[0], '=');
    return count == 1 && equals && equals != arguments[0] && plan_add_string(&plan->environment, arguments[0]);
}

static bool set_personality(struct plan *plan, char **arguments, size_t count) {
    static const int domains[] = {PER_LINUX, PER_LINUX32};
    int index = CHOOSE(arguments[0], "linux", "linux32");
    if (index >= 0)
        plan->personality = domains[index];
    return count == 1 && index >= 0;
}

static bool set_umask(struct plan *plan, char **arguments, size_t count) {
    return count == 1 && parse_octal(arguments[0], 0777, &plan->umask);
}

static bool set_tty(struct plan *plan, char **arguments, size_t count) {
    uint64_t rows, columns;
    if (count != 2 || !parse_number(arguments[0], 65535, &rows) || !parse_number(arguments[1], 65535, &columns))
        return false;
    plan->tty = true;
    plan->rows = (unsigned)rows;
    plan->columns = (unsigned)columns;
    return true;
}

static bool set_stdin(struct plan *plan, char **arguments, size_t count) {
    int mode = CHOOSE(arguments[0], NULL, "open", "once");
    plan->stdin_mode = mode > 0 ? (enum stdin_mode)mode : STDIN_CLOSED;
    return count == 1 && mode > 0;
}

static bool add_capability(struct plan *plan, char **arguments, size_t count) {
    uint64_t number;
    if (count != 1 || !parse_number(arguments[0], 63, &number))
        return false;
    plan->capabilities |= (uint64_t)1 << number;
    return true;
}

static bool parse_limit(const char *text, uint64_t *value) {
    *value = UINT64_MAX;
    return strcmp(text, "-1") == 0 || parse_number(text, UINT64_MAX - 1, value);
}

static bool add_rlimit(struct plan *plan, char **arguments, size_t count) {
    static const char *const names[] = {"cpu",    "fsize", "data", "stack",   "core",      "rss",      "nproc",    "nofile",
                                        "memlock", "as",   "locks", "sigpending", "msgqueue", "nice", "rtprio", "rttime"};
    static const int resources[] = {RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_DATA, RLIMIT_STACK, RLIMIT_CORE, RLIMIT_RSS, RLIMIT_NPROC, RLIMIT_NOFILE,
                                    RLIMIT_MEMLOCK, RLIMIT_AS, RLIMIT_LOCKS, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE, RLIMIT_NICE, RLIMIT_RTPRIO, RLIMIT_RTTIME};
    int index = plan_choose(arguments[0], names, N_ELEMENTS(names));
    struct plan_rlimit *limit = index < 0 || count != 3 ? NULL : GROW(plan->rlimits);
    if (!limit)
        return false;
    limit->resource = resources[index];
    limit->name = names[index];
    return parse_limit(arguments[1], &limit->soft) && parse_limit(arguments[2], &limit->hard) && limit->soft <= limit->hard;
}

static bool set_oom_score(struct plan *plan, char **arguments, size_t count) {
    uint64_t size;
    bool negative = arguments[0][0] == '-';
    if (count != 1 || !parse_number(arguments[0] + negative, 1000, &size))
        return false;
    plan->has_oom_score = true;
    plan->oom_score = negative ? -(int)size : (int)size;
    return true;
}

static bool set_log(struct plan *plan, char **arguments, size_t count) {
    uint64_t files;
    int format = CHOOSE(arguments[0], NULL, "k8s-file", "json-file", "journald", "passthrough");
    if (count < 4 || format < 1 || !parse_number(arguments[2], INT64_MAX, &plan->log_size) || !parse_number(arguments[3], 1000, &files))
        return false;
    plan->log = (enum log_format)format;
    plan->log_files = (unsigned)files;
    plan->log_extra = count > 4 ? arguments[4] : "";
    return plan_absolute(&plan->log_path, arguments[1]);
}

static bool add_rename(struct plan *plan, char **arguments, size_t count) {
    struct plan_rename *entry = GROW(plan->renames);
    if (entry)
        *entry = (struct plan_rename){arguments[0], arguments[1], count == 3 ? arguments[2] : NULL};
    return entry && count >= 2;
}

static bool set_container(struct plan *plan, char **arguments, size_t count) {
    int view = CHOOSE(arguments[1], "root", "mounts");
    plan->container_mounts = view == 1;
    return count == 2 && view >= 0 && plan_absolute(&plan->container, arguments[0]);
}

static bool set_detach_keys(struct plan *plan, char **arguments, size_t count) {
    size_t length = strlen(arguments[0]);
    plan->detach_keys = arguments[0];
    return count == 1 && length % 2 == 0 && length <= 64 && strspn(arguments[0], "0123456789abcdef") == length;
}

enum {
    ANY_ROOT = PLAN_RUN | PLAN_MOUNT,
    ANY_CONTAINER = PLAN_RUN | PLAN_CREATE,
    ANY_MAP = ANY_CONTAINER | PLAN_AGENT | PLAN_UNSHARE | PLAN_HOLDER,
    ANY_OWN = PLAN_RUN | PLAN_EXEC,
    ANY_PROCESS = ANY_OWN | PLAN_CREATE | PLAN_ENTER,
    ANY_CLIENT = ANY_OWN | PLAN_ATTACH
};

static const struct plan_op ops[] = {
    {"id", PLAN_RUN | PLAN_NETWORK, 1, 1, set_id},
    {"mode", ANY_PROCESS, 1, 1, set_mode},
    {"dir", ANY_ROOT | PLAN_CREATE | PLAN_HOLDER, 1, 1, set_directory},
    {"socket", ANY_CLIENT, 1, 1, set_socket},
    {"exec-socket", PLAN_EXEC, 1, 1, set_exec_socket},
    {"idmap", ANY_MAP, 1, 1, plan_set_id_map},
    {"uidmap", ANY_MAP, 3, 3, plan_add_uid_range},
    {"gidmap", ANY_MAP, 3, 3, plan_add_gid_range},
    {"outer-idmap", PLAN_RUN, 1, 1, plan_set_outer_map},
    {"outer-uidmap", PLAN_RUN, 3, 3, plan_add_outer_uids},
    {"outer-gidmap", PLAN_RUN, 3, 3, plan_add_outer_gids},
    {"root", ANY_ROOT, 1, 1, set_root},
    {"root", PLAN_AGENT, 3, 3, set_root},
    {"container", PLAN_AGENT, 2, 2, set_container},
    {"memory", PLAN_AGENT, 1, 1, set_memory},
    {"layer", ANY_ROOT, 1, 1, add_layer},
    {"upper", ANY_ROOT, 1, 1, set_upper},
    {"work", ANY_ROOT, 1, 1, set_work},
    {"rootdir", ANY_CONTAINER, 1, 1, set_rootdir},
    {"fuse-program", ANY_ROOT, 1, 1, set_fuse_program},
    {"fuse-options", PLAN_RUN, 1, 1, plan_set_fuse_options},
    {"volatile", PLAN_RUN, 0, 0, set_volatile},
    {"root-readonly", ANY_CONTAINER, 0, 0, set_root_read_only},
    {"ns", PLAN_RUN, 2, 3, set_ns},
    {"ns", PLAN_CREATE, 2, 2, set_ns},
    {"net-helper", PLAN_RUN | PLAN_HOLDER, 2, PLAN_MAX_ARGUMENTS, set_net_helper},
    {"net-hold", PLAN_RUN, 3, 3, plan_set_net_hold},
    {"attach", PLAN_NETWORK, 9, 9, plan_add_attachment},
    {"name", PLAN_NETWORK, 1, 1, plan_add_name},
    {"resolver", PLAN_NETWORK, 1, 1, plan_add_resolver},
    {"route", PLAN_NETWORK, 3, 3, plan_add_route},
    {"elsewhere", PLAN_NETWORK, 0, 0, plan_set_elsewhere},
    {"user-of", PLAN_RUN, 1, 1, set_user_of},
    {"user-path", PLAN_RUN, 1, 1, set_user_path},
    {"member-of", PLAN_RUN, 1, 1, set_member_of},
    {"ends-with-members", PLAN_RUN, 0, 0, set_ends_with_members},
    {"net-of", PLAN_RUN, 1, 1, set_net_of},
    {"publish", PLAN_RUN, 5, 6, add_port},
    {"mount", ANY_CONTAINER, 4, 4, plan_add_mount},
    {"mount-layer", PLAN_RUN, 1, 1, plan_add_mount_layer},
    {"mount-upper", PLAN_RUN, 2, 2, plan_set_mount_upper},
    {"mount-inside", PLAN_RUN, 1, 1, plan_set_mount_inside},
    {"mount-label", PLAN_RUN, 1, 1, plan_set_mount_label},
    {"device", ANY_CONTAINER, 2, 2, plan_add_device},
    {"mask", ANY_CONTAINER, 1, 1, add_mask},
    {"readonly-path", ANY_CONTAINER, 1, 1, add_read_only_path},
    {"hostname", ANY_CONTAINER, 1, 1, set_hostname},
    {"sysctl", ANY_CONTAINER, 2, 2, add_sysctl},
    {"binfmt", PLAN_RUN, 1, 1, set_binfmt},
    {"arg", ANY_PROCESS | PLAN_UNSHARE, 1, 1, add_argument},
    {"env", ANY_PROCESS, 1, 1, add_environment},
    {"env-data", PLAN_RUN | PLAN_EXEC, 2, 2, plan_add_secret},
    {"cwd", ANY_PROCESS, 1, 1, set_cwd},
    {"user", ANY_PROCESS, 1, 1, set_user},
    {"group", ANY_PROCESS, 1, 1, add_group},
    {"keep-groups", ANY_PROCESS, 0, 0, plan_set_keep_groups},
    {"personality", ANY_OWN, 1, 1, set_personality},
    {"apparmor", ANY_PROCESS, 1, 1, set_apparmor},
    {"passwd-entry", PLAN_RUN, 1, 1, add_passwd_line},
    {"group-entry", PLAN_RUN, 1, 1, add_group_line},
    {"home-env", ANY_PROCESS, 0, 0, set_home_env},
    {"umask", ANY_PROCESS, 1, 1, set_umask},
    {"tty", ANY_CLIENT | ANY_PROCESS, 2, 2, set_tty},
    {"stdin", ANY_CLIENT, 1, 1, set_stdin},
    {"cap", ANY_OWN, 1, 1, add_capability},
    {"nnp", ANY_PROCESS, 0, 0, set_nnp},
    {"seccomp", ANY_PROCESS, 1, 1, set_seccomp},
    {"rlimit", ANY_PROCESS, 3, 3, add_rlimit},
    {"oom-score-adj", PLAN_RUN | PLAN_CREATE | PLAN_ENTER, 1, 1, set_oom_score},
    {"cgroup", PLAN_RUN, 2, 6, plan_set_cgroup},
    {"cgroup-file", PLAN_RUN, 2, 2, plan_add_cgroup_setting},
    {"cgroup-pod", PLAN_RUN, 0, 0, plan_set_cgroup_pod},
    {"init", PLAN_RUN, 0, 0, set_init},
    {"pause", PLAN_RUN, 0, 0, set_pause},
    {"stop", PLAN_RUN, 2, 2, plan_set_stop},
    {"timeout", ANY_OWN, 1, 1, plan_set_timeout},
    {"restart", PLAN_RUN | PLAN_UPDATE, 2, 2, plan_set_restart},
    {"log", PLAN_RUN, 4, 5, set_log},
    {"remove", PLAN_RUN, 1, 1, add_removal},
    {"rename", PLAN_RUN, 2, 3, add_rename},
    {"keep-started", PLAN_RUN, 0, 0, set_keep_started},
    {"health", PLAN_RUN | PLAN_UPDATE, 9, 9, plan_set_health},
    {"events", PLAN_RUN | PLAN_EXEC | PLAN_UPDATE, 3, 3, plan_set_events},
    {"sdnotify", PLAN_RUN, 3, 3, plan_set_notify},
    {"pidfile", PLAN_RUN, 1, 1, plan_set_pidfile},
    {"preserve-fds", PLAN_EXEC | PLAN_CREATE | PLAN_ENTER, 1, 1, plan_set_preserved},
    {"no-health", PLAN_UPDATE, 0, 0, plan_set_no_health},
    {"detach-keys", ANY_CLIENT, 1, 1, set_detach_keys},
    {"sig-proxy", ANY_CLIENT, 0, 0, set_signal_proxy},
    {"output-only", PLAN_RUN, 0, 0, set_output_only},
    {"ns-path", PLAN_CREATE, 2, 2, plan_set_ns_path},
    {"capabilities", PLAN_CREATE | PLAN_ENTER, CAPABILITY_SETS, CAPABILITY_SETS, plan_set_capabilities},
    {"hook", PLAN_CREATE, 3, 3, plan_add_hook},
    {"hook-arg", PLAN_CREATE, 1, 1, plan_add_hook_argument},
    {"hook-env", PLAN_CREATE, 1, 1, plan_add_hook_environment},
    {"state", PLAN_CREATE, 2, 2, plan_set_state},
    {"console", PLAN_CREATE | PLAN_ENTER, 1, 1, plan_set_console},
    {"domainname", PLAN_CREATE, 1, 1, plan_set_domainname},
    {"hold", PLAN_CREATE | PLAN_ENTER, 0, 0, plan_set_hold},
    {"root-slave", PLAN_CREATE, 0, 0, plan_set_root_slave},
    {"target", PLAN_ENTER, 2, 2, plan_set_target},
};

const struct plan_op *plan_op_find(const char *name, unsigned kind) {
    for (size_t i = 0; i < N_ELEMENTS(ops); i++)
        if ((ops[i].kinds & kind) && strcmp(ops[i].name, name) == 0)
            return &ops[i];
    return NULL;
}
