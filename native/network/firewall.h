/* What may pass between the bridges of user-defined networks and the uplink: nftables rules that never change. */
#ifndef CORACLE_FIREWALL_H
#define CORACLE_FIREWALL_H

#include "base/util.h"

/** All bridges' names begin so. */
#define FIREWALL_BRIDGE "c"
/** Bridges whose names begin so may reach the world; others, and bridges among each other, may not. */
#define FIREWALL_OPEN_BRIDGE "ce"
#define FIREWALL_CLOSED_BRIDGE "ci"
#define FIREWALL_UPLINK "uplink0"

/**
 * Loads the rules by a NETLINK_NETFILTER socket of the namespace they are for: nothing is forwarded but from open bridges to the
 * uplink, with the uplink's address, and what answers it. -1 with errno where the kernel has no nftables.
 */
int firewall_load(int socket);

/**
 * Adds that nothing comes in by a bridge whose source is not of its network: answers would go to containers of another one. -1 with errno
 * where the kernel has no such expression.
 */
int firewall_check_sources(int socket);

#endif
