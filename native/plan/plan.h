/* The plan: NUL-terminated records from TypeScript, parsed once into plain data (PROTOCOL.md section 2).
 * Strings point into the plan's own buffer. */
#ifndef CORACLE_PLAN_H
#define CORACLE_PLAN_H

#include "base/util.h"
#include "plan-attachments.h"

enum plan_kind {
    PLAN_RUN = 1,
    PLAN_EXEC = 2,
    PLAN_AGENT = 4,
    PLAN_ATTACH = 8,
    PLAN_UPDATE = 16,
    PLAN_UNSHARE = 32,
    PLAN_MOUNT = 64,
    PLAN_CREATE = 128,
    PLAN_ENTER = 256,
    PLAN_HOLDER = 512,
    PLAN_NETWORK = 1024
};
enum run_mode { MODE_NONE, MODE_DETACH, MODE_FOREGROUND, MODE_CHILD };
/** ID_MAP_HOST: no user namespace of its own. */
enum id_map_how { ID_MAP_NONE, ID_MAP_NEWUIDMAP, ID_MAP_DIRECT, ID_MAP_SINGLE, ID_MAP_HOST };
enum root_driver { ROOT_NONE, ROOT_OVERLAY, ROOT_FUSE, ROOT_DIR };
enum restart_policy { RESTART_NO, RESTART_ALWAYS, RESTART_ON_FAILURE, RESTART_UNLESS_STOPPED };
enum log_format { LOG_NONE, LOG_K8S, LOG_JSON, LOG_JOURNALD, LOG_PASSTHROUGH };
enum notify_mode { NOTIFY_NONE, NOTIFY_CONTAINER, NOTIFY_CONMON, NOTIFY_HEALTHY };
enum stdin_mode { STDIN_CLOSED, STDIN_OPEN, STDIN_ONCE };
/** Namespaces a plan may share with the host. */
enum plan_ns { PLAN_NS_PID, PLAN_NS_IPC, PLAN_NS_UTS, PLAN_NS_CGROUP, PLAN_NS_NET, PLAN_NS_COUNT };

struct id_range {
    uint32_t container, host, size;
};

struct id_ranges {
    struct id_range *items;
    size_t count;
};

struct id_map {
    enum id_map_how how;
    struct id_ranges uid, gid;
    /** The supplementary groups of the caller stay, mapped or not. */
    bool keep_groups;
};

enum mount_kind {
    MOUNT_PROC,
    MOUNT_SYSFS,
    MOUNT_CGROUP2,
    MOUNT_DEV,
    MOUNT_DEVPTS,
    MOUNT_MQUEUE,
    MOUNT_TMPFS,
    MOUNT_RAMFS,
    MOUNT_BIND,
    MOUNT_OVERLAY,
    MOUNT_DATA,
    MOUNT_NEIGHBOUR
};
enum mount_create { CREATE_AS_SOURCE, CREATE_FILE, CREATE_DIRECTORY };

/** A part of the plan's data: bytes that do not stand in the plan itself. */
struct plan_data {
    uint64_t offset, size;
};

struct plan_mount {
    enum mount_kind kind;
    const char *source, *destination;
    bool read_only, nosuid, nodev, noexec, recursive, flat, copy_up, nofollow_source, noatime, nodiratime, strictatime, slave;
    /** What is mounted below stays writable; the user of the process gets all of it; filling it leaves its owner and mode alone. */
    bool read_only_top, chown, keep_owner;
    /** overlay: writes outlive a mount, so that they can be seen by the next. */
    bool durable;
    /** overlay: of an image, whose owners are shown as those of the root file system are. */
    bool shown;
    /** bind, overlay: MS_SHARED and the like; 0 for private. */
    unsigned propagation;
    /** bind: what SELinux is to call all of it; NULL to leave it. */
    const char *label;
    enum mount_create create;
    /** "" where the file system's default holds; text as the kernel reads it. */
    const char *mode, *size, *gid, *uid, *inodes, *max;
    /** proc. */
    const char *hidepid, *subset;
    /** bind, overlay: the part of the source that is mounted, found as in a chroot of it; NULL for all of it. */
    const char *inside;
    /** overlay: topmost first; `upper` is NULL where nothing can be written. */
    struct strings layers;
    const char *upper, *work;
    struct plan_data data;
};

/** A variable of the environment whose value is data. */
struct plan_secret {
    const char *name;
    struct plan_data data;
};

struct plan_device {
    const char *source, *destination;
};

struct plan_sysctl {
    const char *key, *value;
};

struct plan_rename {
    const char *from, *to;
    /** Not done where this is; NULL for always. */
    const char *unless;
};

/** Where events are written, whose lock guards its rotation, and the members that name the container. */
struct plan_events {
    const char *path, *lock, *subject;
};

/** Who is told that the service is ready, and the directory of the socket that the container writes to. */
struct plan_notify {
    enum notify_mode mode;
    const char *manager, *directory;
};

enum health_action { HEALTH_NOTHING, HEALTH_KILL, HEALTH_RESTART, HEALTH_STOP };

/** A command that tells whether the container does its work. Times in ms. */
struct plan_health {
    /** Plan of the exec session that runs it, in a file; NULL: none. */
    const char *plan;
    uint64_t interval_ms, timeout_ms, start_period_ms, start_interval_ms;
    unsigned retries, log_count, log_size;
    enum health_action action;
};

enum hook_kind { HOOK_CREATE_CONTAINER, HOOK_START_CONTAINER };

/** A program of the bundle that runs in the container's namespaces. */
struct plan_hook {
    enum hook_kind kind;
    /** Seconds; 0: as long as it likes. */
    uint64_t timeout;
    const char *path;
    struct strings arguments, environment;
};

enum capability_set { CAPABILITY_BOUNDING, CAPABILITY_EFFECTIVE, CAPABILITY_INHERITABLE, CAPABILITY_PERMITTED, CAPABILITY_AMBIENT, CAPABILITY_SETS };

struct plan_rlimit {
    int resource;
    const char *name;
    uint64_t soft, hard;
};

struct plan_port {
    bool udp;
    /** `container_address6` is NULL where there is none. */
    const char *host_address, *container_address, *container_address6;
    uint16_t host_port, container_port;
};

/** Where the manager of the user's units listens: on a bus, or itself. */
struct plan_manager {
    bool bus;
    const char *socket;
};

struct plan_setting {
    const char *name, *value;
};

/** A scope of systemd; a part of our own cgroup; a directory by its path; a part of a pod's. */
enum cgroup_kind { CGROUP_NONE, CGROUP_SCOPE, CGROUP_SPLIT, CGROUP_DIRECTORY, CGROUP_MEMBER };

/** The container's cgroup, and what is written into files of it. */
struct plan_cgroup {
    enum cgroup_kind kind;
    /** Where the hierarchy is mounted; the container's own cgroup; the one of the pod with all that is in it. */
    const char *mount, *path, *pod;
    const char *unit, *slice;
    struct plan_manager manager;
    /** Others will be put beside the container: the settings are for all of them. */
    bool holds_pod;
    /** S stays where it is. */
    bool apart;
    struct {
        struct plan_setting *items;
        size_t count;
    } settings;
};

/** One directory the file agent may work in. */
struct plan_root {
    uint32_t number;
    const char *path;
    bool writable;
};

#define PLAN_LIST(type)                                                                                                    \
    struct {                                                                                                               \
        type *items;                                                                                                       \
        size_t count;                                                                                                      \
    }

struct plan {
    enum plan_kind kind;
    char *buffer;
    /** What the caller gave beside the plan, NULL until plan_read_data. */
    char *data;
    size_t data_size;
    const char *id, *directory, *socket, *exec_socket;
    enum run_mode mode;
    struct id_map ids;
    /** Those of A, where `ids` is a map inside of it: of a user namespace of the container alone. Its `how` is ID_MAP_NONE else. */
    struct id_map outer;

    enum root_driver root;
    struct strings layers;
    const char *upper, *work, *rootdir, *fuse_program;
    /** More options of fuse-overlayfs; NULL for none. */
    const char *fuse_options;
    bool is_volatile, root_read_only;

    bool ns_host[PLAN_NS_COUNT];
    const char *net_helper;
    /** The supervisor's socket of the container whose namespace is used; NULL: none. */
    const char *ns_of[PLAN_NS_COUNT];
    /** The same of its user namespace alone. */
    const char *user_of;
    const char *user_path; /* /proc/PID/ns/user */
    struct strings net_arguments;
    PLAN_LIST(struct plan_port) ports;
    /** Where the holder of user-defined networks listens, its plan, and what this container wants of it; NULL: no such networks. */
    const char *holder_directory, *holder_plan, *network_plan;
    PLAN_LIST(struct plan_attachment) attachments;
    /** The container leads out by other means than these networks. */
    bool elsewhere;
    /** The container's own, before those of its networks. */
    struct plan_resolvers resolvers;

    PLAN_LIST(struct plan_mount) mounts;
    /** One of them is to see what the host mounts. */
    bool propagates;
    PLAN_LIST(struct plan_device) devices;
    struct strings masks, read_only_paths;
    PLAN_LIST(struct plan_sysctl) sysctls;
    const char *hostname;
    /** A line for binfmt_misc's `register`, NULL for none. */
    const char *binfmt;

    struct strings arguments, environment, groups;
    PLAN_LIST(struct plan_secret) secrets;
    /** Lines for the account files. */
    struct strings passwd_lines, group_lines;
    const char *cwd, *user;
    int personality; /* -1: as ours */
    /** A profile of AppArmor; NULL for none. */
    const char *apparmor;
    /** Supervisor's socket of the holder of the pod it is in, or NULL; whether it is a holder that goes with the last member. */
    const char *member_of;
    bool ends_with_members;
    bool home_env, tty, no_new_privileges, init, pause, signal_proxy, output_only;
    unsigned umask;
    unsigned rows, columns;
    enum stdin_mode stdin_mode;
    uint64_t capabilities;
    const char *seccomp;
    PLAN_LIST(struct plan_rlimit) rlimits;
    bool has_oom_score;
    int oom_score;
    struct plan_cgroup cgroup;

    int stop_signal;
    uint64_t stop_timeout_ms, timeout_ms;
    enum restart_policy restart;
    unsigned restart_limit;
    /** An update says something of these. */
    bool has_restart, has_health;
    enum log_format log;
    const char *log_path;
    /** json-file: more members of a line; journald: fields of an entry, each with its newline. */
    const char *log_extra;
    uint64_t log_size;
    unsigned log_files;
    /** Renames and removals are for a container whose process was never executed. */
    bool keep_started;
    struct strings removals;
    PLAN_LIST(struct plan_rename) renames;
    struct plan_health health;
    struct plan_events events;
    struct plan_notify notify;
    /** Gets the process's pid. */
    const char *pidfile;
    /** exec: how many descriptors its process gets besides the standard streams. */
    unsigned preserved;
    const char *detach_keys;
    /** The agent works in the root of this container instead of `roots`: its supervisor's socket. */
    const char *container;
    bool container_mounts;

    PLAN_LIST(struct plan_root) roots;
    /** Bytes the agent shares with its client. */
    uint64_t memory;

    /* What only bundles have. */
    const char *ns_path[PLAN_NS_COUNT], *user_ns_path;
    /** In the place of `capabilities`. */
    bool has_capability_sets;
    uint64_t capability_sets[CAPABILITY_SETS];
    PLAN_LIST(struct plan_hook) hooks;
    /** The state that hooks read, around what changes. */
    const char *state_begin, *state_end;
    /** Socket that gets the terminal's master. */
    const char *console;
    const char *domainname;
    /** Mounts of the host show below the root; below those mounts that are `slave` in any case. */
    bool root_slave;
    /** Nothing begins before a first word of the caller, who puts this process where the container is to be. */
    bool hold;
    /** enter: the container's process and when it began. */
    pid_t target;
    uint64_t target_start;
};

/** The ids of A. */
static inline const struct id_map *plan_infra_ids(const struct plan *plan) {
    return plan->outer.how == ID_MAP_NONE ? &plan->ids : &plan->outer;
}

/** Whether the container's user namespace is one inside of A's. */
static inline bool plan_is_inner(const struct plan *plan) {
    return plan->outer.how != ID_MAP_NONE;
}

/** Whether others than the container are in its namespace. */
static inline bool plan_shares(const struct plan *plan, enum plan_ns ns) {
    return plan->ns_host[ns] || plan->ns_of[ns];
}

enum { PLAN_MAX_DATA = 16 << 20, PLAN_MAX_SIZE = 4 << 20, PLAN_MAX_RECORDS = 65536, PLAN_MAX_ARGUMENTS = 64 };

/** Parses `size` bytes into `plan`, which takes `buffer` over (malloc'ed, one spare byte behind it) even on failure. Free with plan_free. */
int plan_parse(char *buffer, size_t size, enum plan_kind kind, struct plan *plan, struct failure *failure);
/** Reads a descriptor to its end and parses it; the descriptor stays open. */
int plan_read(int fd, enum plan_kind kind, struct plan *plan, struct failure *failure);
/** Reads the data, if a record names any, from its own descriptor; fails where a record names more than there is. */
int plan_read_data(int fd, struct plan *plan, struct failure *failure);
void plan_free(struct plan *plan);
/** `ADDRESS[#PORT]`. */
bool plan_parse_resolver(const char *text, struct plan_resolver *resolver);
/** CRC-32 (IEEE 802.3) of `size` bytes. */
uint32_t plan_crc(const void *data, size_t size);

#endif
