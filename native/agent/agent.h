/*
 * The file agent: framed file operations inside the user namespace (PROTOCOL.md section 4).
 *
 * A *handle* names a stack of directories, topmost first. A *directory* here is one merged directory: the *places*
 * (one open directory per layer) that contribute to it. Each handle keeps the directories from its root to the last
 * path used (*levels*), so that neighbouring paths cost no repeated lookups.
 * Functions return 0 or a negative errno unless they say otherwise.
 */
#ifndef CORACLE_AGENT_H
#define CORACLE_AGENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>

#include "plan/plan.h"

enum {
    AGENT_FRAME_MAX = (1 << 20) + 64,
    AGENT_HEADER = 12,
    AGENT_PATH = 4096,
    AGENT_NAME = 256,
    AGENT_LINKS = 40,
    AGENT_HANDLES = 65536,
    AGENT_PENDING = 64,
    AGENT_XATTR = 65536,
};

/* Those that two operations have in common tell by these which it is. */
enum agent_op { OP_SHARED_FILE = 22, OP_SHARED_DATA = 23 };
enum agent_flag { FLAG_ACK = 1, FLAG_FOLLOW = 2, FLAG_PARENTS = 4 };
enum agent_reply { REPLY_OK, REPLY_ERROR, REPLY_ENTRY, REPLY_DATA, REPLY_END };
enum agent_meta { META_MODE = 1, META_OWNER = 2, META_TIME = 4, META_LINK_TIME = 8 };
enum agent_type { TYPE_FILE = 1, TYPE_DIRECTORY, TYPE_SYMLINK, TYPE_FIFO, TYPE_CHAR, TYPE_BLOCK, TYPE_SOCKET, TYPE_WHITEOUT };

struct meta {
    uint32_t mode, uid, gid;
    struct timespec time;
    unsigned mask;
};

/** One directory of a stack, opened once, shared by the handles that contain it. */
struct base {
    int fd;
    unsigned references;
    struct base *parent;
};

struct place {
    int fd;
    uint32_t layer;
};

struct directory {
    struct place *places;
    size_t count;
};

struct level {
    char *name;
    struct directory directory;
};

struct handle {
    bool writable;
    size_t count;
    struct base **bases;
    struct level *levels;
    size_t depth, room;
};

/** Where a path led: the directory at levels[depth] and the last name in it; an empty name means that directory itself. */
struct target {
    struct handle *handle;
    size_t depth;
    char name[AGENT_NAME];
};

enum found_kind { FOUND_NOTHING, FOUND_DIRECTORY, FOUND_LEAF };

/** What a merged directory has under a name. `directory` is owned (directory_release); a leaf lies in places[place] of its parent. */
struct found {
    enum found_kind kind;
    struct directory directory;
    size_t place;
    struct stat stat;
};

/** A file whose content is still coming; fd is -1 after a failure, the rest is then passed over. */
struct pending {
    bool used, acknowledge;
    uint32_t tag;
    int fd;
    uint64_t left;
    struct meta meta;
    /** For errors; owned, may be NULL. */
    char *path;
};

struct output {
    int fd;
    char *buffer;
    size_t used, frame;
    bool broken, open;
};

/** The request in hand. Reading past its end sets `bad` and gives zeros. */
struct request {
    uint16_t op, flags;
    uint32_t tag;
    const unsigned char *next, *end;
    bool bad;
    char path[AGENT_PATH];
    char other[AGENT_PATH];
};

struct agent {
    struct handle **handles;
    size_t handle_count;
    bool single_id;
    struct output out;
    struct request request;
    struct pending pending[AGENT_PENDING];
    char *scratch;
    /* Shared with the client, which says where what it asks for goes; NULL without. */
    unsigned char *memory;
    size_t memory_size;
};

/* agent.c, agent-jail.c */
/** The sub-command: reads the plan, starts the agent on 0 and 1, waits. Returns the exit code; complaints go to standard error. */
int agent_main(int plan_fd);
int agent_enter_jail(const struct plan *plan, int *roots, struct failure *failure);
int agent_confine(struct failure *failure);
/** A detached clone of a directory's mount, with all below it for AT_RECURSIVE: a descriptor, or -1. */
int agent_clone_root(const struct plan_root *root, unsigned recursive, struct failure *failure);
/** Leaves everything of the host's, or the container's, mount namespace behind but what was opened. */
int agent_leave_mounts(struct failure *failure);

/* agent-join.c */
/** Forks into the container whose supervisor listens at plan->container: 0 in the child, where `root` is its root directory. */
pid_t agent_join(const struct plan *plan, int *root, bool *single_id, struct failure *failure);

/* agent-loop.c */
int agent_create(struct agent *agent, bool single_id, int out);
void agent_destroy(struct agent *agent);
/** Adds the next handle: a single directory; takes `fd` over. */
int agent_add_root(struct agent *agent, int fd, bool writable);
/** Serves requests from `in` to its end. Returns 0, or -errno when the stream itself is wrong. */
int agent_serve(struct agent *agent, int in);
/** Serves one frame's rest (op, flags, tag, payload). */
void agent_dispatch(struct agent *agent, const unsigned char *frame, size_t size);

/* agent-frame.c: reading requests */
uint8_t take_u8(struct request *request);
uint16_t take_u16(struct request *request);
uint32_t take_u32(struct request *request);
uint64_t take_u64(struct request *request);
const char *take_bytes(struct request *request, size_t *size);
/** Copies a path out and refuses NUL, `..`, and lengths over the limit. */
int take_path(struct request *request, char out[AGENT_PATH]);
/** -EBADMSG unless every byte was read and none was missing: no operation begins on half a request. */
int complete(const struct request *request);
void take_meta(struct request *request, struct meta *meta);
/* agent-frame.c: writing replies */
void reply_begin(struct agent *agent, enum agent_reply kind);
void reply_end(struct agent *agent);
void put_u8(struct output *out, uint8_t value);
void put_u16(struct output *out, uint16_t value);
void put_u32(struct output *out, uint32_t value);
void put_u64(struct output *out, uint64_t value);
void put_bytes(struct output *out, const void *bytes, size_t size);
void put_text(struct output *out, const char *text);
void put_time(struct output *out, const struct timespec *time);
/** Overwrites four bytes put before. */
void patch_u32(struct output *out, size_t at, uint32_t value);
void reply_error(struct agent *agent, uint32_t tag, int number, const char *stage, const char *path);
void output_flush(struct output *out);
/** Room for a data frame's bytes: up to `*size`; finish with data_end. */
char *data_begin(struct agent *agent, size_t *size);
void data_end(struct agent *agent, size_t size);

/* agent-entry.c */
/** A frame about `name` in `parent` ("." is the directory itself), which is at `path` in the answers. */
int put_entry(struct agent *agent, const char *path, int parent, const char *name, const struct stat *stat, bool opaque);

/* agent-stack.c */
struct handle *handle_at(struct agent *agent, uint32_t number);
int handle_add(struct agent *agent, struct handle *handle);
struct handle *handle_create(struct base **bases, size_t count, bool writable);
struct base *base_create(int fd, struct base *parent);
void base_release(struct base *base);
void handle_release(struct handle *handle);
void handle_forget(struct handle *handle, size_t depth);
/** Other handles that can see what `changed` writes look again. */
void handles_changed(struct agent *agent, const struct handle *changed);
void directory_release(struct directory *directory);
/** Looks `name` up from places[first] on. */
int directory_find(const struct directory *directory, size_t first, const char *name, struct found *found);
bool is_opaque(int fd);
bool is_whiteout(const struct stat *stat);
int mark_opaque(int fd);

/* agent-resolve.c */
/** Resolves all but the last component (with FLAG_FOLLOW the last too); with `create`, missing parents are made in the top. */
int path_resolve(struct agent *agent, struct handle *handle, const char *path, unsigned flags, bool create, struct target *target);
/** Makes levels[1..depth] exist in the top directory as they are below. */
int ensure_top(struct agent *agent, struct handle *handle, size_t depth);
/** Finds what the target is now; the caller releases `found`. -ENOENT when nothing. */
int target_find(const struct target *target, struct found *found);
/** Opens the target, a regular file, at an offset: a descriptor, or a negative errno. */
int target_open(const struct target *target, uint64_t offset);
/** The top's descriptor of the target's directory; only after ensure_top. */
int target_top(const struct target *target);
/** The target's path below the handle's root, without links. */
int target_path(const struct target *target, char path[AGENT_PATH]);

/* agent-meta.c */
void meta_of(const struct stat *stat, unsigned mask, struct meta *meta);
int meta_apply_fd(const struct agent *agent, int fd, const struct meta *meta);
int meta_apply_name(const struct agent *agent, int parent, const char *name, mode_t type, const struct meta *meta);
bool xattr_allowed(const char *name);
/** 1 when both open files have the same xattrs of those that xattrs_copy copies, 0 when not. */
int xattrs_equal(const struct agent *agent, int a, int b);
/** Copies the allowed xattrs (and in single-id mode the recorded owner) between open files. */
int xattrs_copy(const struct agent *agent, int from, int to);
/** Reads the recorded owner over what stat said (single-id mode). */
void owner_recorded(const struct agent *agent, int fd, struct stat *stat);
/** The same for a name that need not be opened; the working directory becomes `parent`. */
void owner_recorded_name(const struct agent *agent, int parent, const char *name, struct stat *stat);

/* agent-copy.c */
/** Writes where the descriptor stands, with holes for what is zero. The last part of a file sets its size. 0 or a negative errno. */
int write_content(int fd, const char *bytes, size_t size, bool last);
int copy_content(int from, int to, uint64_t size);
/** Copies one entry that is no directory with all it has; the name must be free. */
int copy_leaf(const struct agent *agent, int from, const char *name, const struct stat *stat, int to, const char *to_name);
/** Gives an open directory the mode, owner and xattrs of `like`; with -1 root's, 0755. */
int dress_directory(const struct agent *agent, int like, int fd);
/** Makes a directory like `like` (open); times are left to the caller. Returns its descriptor. */
int copy_directory(const struct agent *agent, int like, int to, const char *name);
/** Brings a leaf that is only below into the top. */
int copy_up(struct agent *agent, const struct target *target, const struct found *found);

/* agent-write.c */
/** Makes the target's file, removing what stood there, with the mode of `meta` where no other owner follows. Returns its descriptor. */
int create_file(struct agent *agent, const struct target *target, const struct meta *meta);

/* agent-remove.c */
/** Removes an entry and all below it; 0 when there is none. */
int remove_tree(int parent, const char *name);
/** renameat(2) that fails with EEXIST where something has the new name. Sets errno. */
int rename_new(int from_directory, const char *from, int to_directory, const char *to);

/* agent-list.c: the names of a merged directory, sorted by bytes, whiteouts left out unless raw */
struct listed {
    const char *name;
    size_t place;
    unsigned char type;
};
struct listing {
    struct listed *items;
    size_t count;
    char *arena;
};
int listing_read(const struct directory *directory, bool raw, struct listing *listing);
void listing_release(struct listing *listing);

/* agent-links.c: names of files with several links, by device and inode */
struct links {
    struct link_slot *slots;
    size_t count, room;
};
/** The value stored for the inode before, or NULL after storing `text` (copied). */
const char *links_remember(struct links *links, const struct stat *stat, const char *text);
void links_release(struct links *links);

/* the operations, by file: agent-write.c, agent-change.c, agent-walk.c, agent-fill.c, agent-tree.c, agent-compare.c */
int op_open(struct agent *agent, struct request *request);
int op_stack(struct agent *agent, struct request *request);
int op_close(struct agent *agent, struct request *request);
int op_mkdir(struct agent *agent, struct request *request);
int op_file(struct agent *agent, struct request *request);
int op_file_data(struct agent *agent, struct request *request);
int op_symlink(struct agent *agent, struct request *request);
int op_link(struct agent *agent, struct request *request);
int op_node(struct agent *agent, struct request *request);
int op_whiteout(struct agent *agent, struct request *request);
int op_opaque(struct agent *agent, struct request *request);
int op_xattr(struct agent *agent, struct request *request);
int op_meta(struct agent *agent, struct request *request);
int op_remove(struct agent *agent, struct request *request);
int op_rename(struct agent *agent, struct request *request);
int op_stat(struct agent *agent, struct request *request);
int op_list(struct agent *agent, struct request *request);
int op_walk(struct agent *agent, struct request *request);
int op_read(struct agent *agent, struct request *request);
int op_fill(struct agent *agent, struct request *request);
int op_resolve(struct agent *agent, struct request *request);
int op_copy(struct agent *agent, struct request *request);
int op_flatten(struct agent *agent, struct request *request);
int op_compare(struct agent *agent, struct request *request);
int op_normalise(struct agent *agent, struct request *request);
int op_syncfs(struct agent *agent, struct request *request);
int op_usage(struct agent *agent, struct request *request);

#endif
