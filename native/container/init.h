/* I: the container's first process, from its clone to execve. */
#ifndef CORACLE_INIT_H
#define CORACLE_INIT_H

#include "files/root.h"
#include "plan/plan.h"
#include "privileges.h"

struct init_arguments {
    const struct plan *plan;
    const struct scratch *scratch;
    /** Descriptors of the standard streams (-1 with a terminal), the socket to S, the network namespace to join (-1: none). */
    int stdio[3];
    int report;
    int netns;
    /** Namespaces of other containers, as in infra_arguments. */
    const int *joined;
    /** Of a bundle: its filter, which was read before, and the socket on which somebody says that it may start. */
    const struct filter *filter;
    int gate;
};

/** Runs in the new namespaces; ends in execve or in a failure told on `report`. */
_Noreturn void init_main(const struct init_arguments *arguments);

#endif
