/* I of a bundle: the steps that a container with a supervisor does not have. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/message.h"
#include "base/status.h"
#include "base/syscalls.h"
#include "files/overlay.h"
#include "oci.h"

static int await_creator(int report, struct failure *failure) {
    struct message message;
    size_t none = 0;
    if (message_receive(report, &message, NULL, &none, NULL) != 1 || message.kind != MESSAGE_GO)
        return fail(failure, "init", ECANCELED, "create");
    return 0;
}

int bundle_enter(const struct init_arguments *given, struct failure *failure) {
    const char *root = given->plan->rootdir;
    /* What is bound from here on can only get what the host mounts, and gives nothing back; private is made of it later. */
    if (mount(NULL, "/", NULL, MS_REC | MS_SLAVE, NULL) < 0)
        return fail(failure, "root", errno, "make / a slave");
    /* Hooks of the runtime's namespaces run now; what they and those below mount in the root goes with it. */
    if (await_creator(given->report, failure) < 0 || hooks_run(given->plan, HOOK_CREATE_CONTAINER, "creating", failure) < 0)
        return -1;
    if (overlay_bind(root, root, MOUNT_ATTR_NODEV, failure) < 0)
        return -1;
    return given->plan->root_slave || mount(NULL, root, NULL, MS_REC | MS_PRIVATE, NULL) == 0 ? 0 : fail(failure, "root", errno, "make %s private", root);
}

int bundle_await(const struct init_arguments *given, int master, struct failure *failure) {
    struct message message = {.kind = MESSAGE_READY};
    if (message_send(given->report, &message, &master, master >= 0 ? 1 : 0) < 0)
        return fail(failure, "init", errno, "create");
    if (master >= 0)
        close(master);
    if (await_creator(given->report, failure) < 0)
        return -1;
    message.kind = MESSAGE_LOOSE;
    if (prctl(PR_SET_PDEATHSIG, 0) < 0 || message_send(given->report, &message, NULL, 0) < 0)
        return fail(failure, "init", errno, "leave the creator");
    close(given->report);
    int connection;
    do
        connection = accept4(given->gate, NULL, NULL, SOCK_CLOEXEC);
    while (connection < 0 && (errno == EINTR || errno == ECONNABORTED));
    if (connection < 0)
        _exit(125);
    close(given->gate);
    message_as_text();
    if (hooks_run(given->plan, HOOK_START_CONTAINER, "created", failure) == 0) {
        status_ready(&(struct status){.fd = connection, .prose = -1}, getpid());
        return connection;
    }
    message_complain(connection, MESSAGE_FAILURE, failure);
    _exit(failure->code);
}
