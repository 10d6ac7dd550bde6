/* coracle-sv: one static program, one duty per sub-command. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "agent/agent.h"
#include "client/client.h"
#include "host/probe.h"
#include "host/scope.h"
#include "host/unshare.h"
#include "network/netd.h"
#include "oci/oci.h"
#include "supervisor/exec.h"
#include "supervisor/run.h"

static int run_agent(int argc, char **argv) {
    (void)argc;
    (void)argv;
    return agent_main(PLAN_FD);
}

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        int (*run)(int argc, char **argv);
    } commands[] = {
        {"run", run_main}, {"exec", exec_main},
        {"attach", attach_main}, {"agent", run_agent},
        {"probe", probe_main}, {"unshare", unshare_main},
        {"mount", mount_main}, {"umount", umount_main},
        {"netd", netd_main}, {"oci-create", oci_create_main},
        {"oci-exec", oci_exec_main}, {"scope", scope_main},
    };
    for (size_t i = 0; argc > 1 && i < N_ELEMENTS(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc, argv);
    fprintf(stderr, "coracle-sv: unknown sub-command %s\n", argc > 1 ? argv[1] : "(none)");
    return 125;
}
