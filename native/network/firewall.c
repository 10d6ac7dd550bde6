#define _GNU_SOURCE
#include "firewall.h"

#include <arpa/inet.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <string.h>
#include <sys/socket.h>

#include "netlink.h"

static const char table[] = "coracle";

/** Bits of the connection's state as nf_tables shows them. */
enum { STATE_INVALID = 1, STATE_KNOWN = 2 | 4 };

static void begin(struct netlink_request *request, uint16_t message, uint16_t flags) {
    const struct nfgenmsg body = {.nfgen_family = NFPROTO_INET, .version = NFNETLINK_V0};
    netlink_begin(request, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | message), (uint16_t)(NLM_F_CREATE | NLM_F_ACK | flags), &body, sizeof body);
}

static void mark(struct netlink_request *request, uint16_t type) {
    const struct nfgenmsg body = {.nfgen_family = AF_UNSPEC, .version = NFNETLINK_V0, .res_id = htons(NFNL_SUBSYS_NFTABLES)};
    netlink_begin(request, type, 0, &body, sizeof body);
}

static void put_number(struct netlink_request *request, uint16_t type, uint32_t value) {
    netlink_put_u32(request, type, htonl(value));
}

static void add_chain(struct netlink_request *request, const char *name, const char *type, uint32_t hook, int priority, uint32_t policy) {
    begin(request, NFT_MSG_NEWCHAIN, 0);
    netlink_put_text(request, NFTA_CHAIN_TABLE, table);
    netlink_put_text(request, NFTA_CHAIN_NAME, name);
    size_t opened = netlink_open(request, NFTA_CHAIN_HOOK);
    put_number(request, NFTA_HOOK_HOOKNUM, hook);
    put_number(request, NFTA_HOOK_PRIORITY, (uint32_t)priority);
    netlink_close(request, opened);
    put_number(request, NFTA_CHAIN_POLICY, policy);
    netlink_put_text(request, NFTA_CHAIN_TYPE, type);
}

static size_t rule_begin(struct netlink_request *request, const char *chain) {
    begin(request, NFT_MSG_NEWRULE, NLM_F_APPEND);
    netlink_put_text(request, NFTA_RULE_TABLE, table);
    netlink_put_text(request, NFTA_RULE_CHAIN, chain);
    return netlink_open(request, NFTA_RULE_EXPRESSIONS);
}

/** Two levels to close: the data, then the element. */
struct expression {
    size_t element, data;
};

static struct expression expression_begin(struct netlink_request *request, const char *name) {
    struct expression expression = {.element = netlink_open(request, NFTA_LIST_ELEM)};
    netlink_put_text(request, NFTA_EXPR_NAME, name);
    expression.data = netlink_open(request, NFTA_EXPR_DATA);
    return expression;
}

static void expression_end(struct netlink_request *request, struct expression expression) {
    netlink_close(request, expression.data);
    netlink_close(request, expression.element);
}

static void put_value(struct netlink_request *request, uint16_t type, const void *value, size_t size) {
    size_t opened = netlink_open(request, type);
    netlink_put(request, NFTA_DATA_VALUE, value, size);
    netlink_close(request, opened);
}

static void compare(struct netlink_request *request, uint32_t how, const void *value, size_t size) {
    struct expression expression = expression_begin(request, "cmp");
    put_number(request, NFTA_CMP_SREG, NFT_REG_1);
    put_number(request, NFTA_CMP_OP, how);
    put_value(request, NFTA_CMP_DATA, value, size);
    expression_end(request, expression);
}

/** The interface's name is `name`, or begins so: then the end of the text is not compared. */
static void match_interface(struct netlink_request *request, uint32_t key, const char *name, bool whole) {
    struct expression expression = expression_begin(request, "meta");
    put_number(request, NFTA_META_KEY, key);
    put_number(request, NFTA_META_DREG, NFT_REG_1);
    expression_end(request, expression);
    compare(request, NFT_CMP_EQ, name, strlen(name) + (whole ? 1 : 0));
}

static void match_state(struct netlink_request *request, uint32_t bits) {
    const uint32_t none = 0;
    struct expression expression = expression_begin(request, "ct");
    put_number(request, NFTA_CT_KEY, NFT_CT_STATE);
    put_number(request, NFTA_CT_DREG, NFT_REG_1);
    expression_end(request, expression);
    expression = expression_begin(request, "bitwise");
    put_number(request, NFTA_BITWISE_SREG, NFT_REG_1);
    put_number(request, NFTA_BITWISE_DREG, NFT_REG_1);
    put_number(request, NFTA_BITWISE_LEN, sizeof bits);
    put_value(request, NFTA_BITWISE_MASK, &bits, sizeof bits);
    put_value(request, NFTA_BITWISE_XOR, &none, sizeof none);
    expression_end(request, expression);
    compare(request, NFT_CMP_NEQ, &none, sizeof none);
}

static void verdict(struct netlink_request *request, uint32_t code) {
    struct expression expression = expression_begin(request, "immediate");
    put_number(request, NFTA_IMMEDIATE_DREG, NFT_REG_VERDICT);
    size_t data = netlink_open(request, NFTA_IMMEDIATE_DATA);
    size_t opened = netlink_open(request, NFTA_DATA_VERDICT);
    put_number(request, NFTA_VERDICT_CODE, code);
    netlink_close(request, opened);
    netlink_close(request, data);
    expression_end(request, expression);
}

static void masquerade(struct netlink_request *request) {
    expression_end(request, expression_begin(request, "masq"));
}

int firewall_check_sources(int socket) {
    const uint32_t nowhere = 0;
    struct netlink_request request = {0};
    mark(&request, NFNL_MSG_BATCH_BEGIN);
    size_t rule = rule_begin(&request, "early");
    match_interface(&request, NFT_META_IIFNAME, FIREWALL_BRIDGE, false);
    struct expression expression = expression_begin(&request, "fib");
    put_number(&request, NFTA_FIB_DREG, NFT_REG_1);
    put_number(&request, NFTA_FIB_RESULT, NFT_FIB_RESULT_OIF);
    put_number(&request, NFTA_FIB_FLAGS, NFTA_FIB_F_SADDR | NFTA_FIB_F_IIF);
    expression_end(&request, expression);
    compare(&request, NFT_CMP_EQ, &nowhere, sizeof nowhere);
    verdict(&request, NF_DROP);
    netlink_close(&request, rule);
    mark(&request, NFNL_MSG_BATCH_END);
    return netlink_send(socket, &request, 1);
}

int firewall_load(int socket) {
    struct netlink_request request = {0};
    mark(&request, NFNL_MSG_BATCH_BEGIN);
    begin(&request, NFT_MSG_NEWTABLE, 0);
    netlink_put_text(&request, NFTA_TABLE_NAME, table);
    add_chain(&request, "early", "filter", NF_INET_PRE_ROUTING, -150, NF_ACCEPT);
    add_chain(&request, "forward", "filter", NF_INET_FORWARD, 0, NF_DROP);
    add_chain(&request, "late", "nat", NF_INET_POST_ROUTING, 100, NF_ACCEPT);
    /* An older pasta sends segments without ACK, which the holder would answer with a reset. */
    size_t rule = rule_begin(&request, "early");
    match_interface(&request, NFT_META_IIFNAME, FIREWALL_UPLINK, true);
    match_state(&request, STATE_INVALID);
    verdict(&request, NF_DROP);
    netlink_close(&request, rule);
    rule = rule_begin(&request, "forward");
    match_interface(&request, NFT_META_IIFNAME, FIREWALL_OPEN_BRIDGE, false);
    match_interface(&request, NFT_META_OIFNAME, FIREWALL_UPLINK, true);
    verdict(&request, NF_ACCEPT);
    netlink_close(&request, rule);
    rule = rule_begin(&request, "forward");
    match_interface(&request, NFT_META_IIFNAME, FIREWALL_UPLINK, true);
    match_interface(&request, NFT_META_OIFNAME, FIREWALL_OPEN_BRIDGE, false);
    match_state(&request, STATE_KNOWN);
    verdict(&request, NF_ACCEPT);
    netlink_close(&request, rule);
    rule = rule_begin(&request, "late");
    match_interface(&request, NFT_META_OIFNAME, FIREWALL_UPLINK, true);
    masquerade(&request);
    netlink_close(&request, rule);
    mark(&request, NFNL_MSG_BATCH_END);
    return netlink_send(socket, &request, 8);
}
