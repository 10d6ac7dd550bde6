/* Stand-ins that the linker takes only where a part is not in the tree. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "agent.h"
#include "client.h"
#include "forward.h"

__attribute__((weak)) int client_run(const struct client_options *options) {
    (void)options;
    fputs("coracle-sv: built without the attach client\n", stderr);
    return 125;
}

__attribute__((weak)) int attach_main(int argc, char **argv) {
    (void)argc;
    (void)argv;
    return client_run(NULL);
}

__attribute__((weak)) int forward_main(const struct plan *plan, const int *listeners, size_t count, int netns) {
    (void)plan;
    (void)listeners;
    (void)count;
    (void)netns;
    return 125;
}

__attribute__((weak)) int agent_main(int plan_fd) {
    (void)plan_fd;
    return 125;
}

__attribute__((weak)) int remove_tree(int parent, const char *name) {
    (void)parent;
    (void)name;
    return -ENOSYS;
}
