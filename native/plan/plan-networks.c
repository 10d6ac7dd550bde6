#define _GNU_SOURCE
#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "plan-ops.h"
#include "plan-values.h"

/** `ADDRESS/BITS`, or `-` for none. */
static bool parse_address(const char *text, int family, struct plan_address *address) {
    char plain[INET6_ADDRSTRLEN];
    uint64_t bits;
    const char *slash = strchr(text, '/');
    *address = (struct plan_address){0};
    if (strcmp(text, "-") == 0)
        return true;
    if (!slash || (size_t)(slash - text) >= sizeof plain || !parse_number(slash + 1, family == AF_INET ? 32 : 128, &bits))
        return false;
    memcpy(plain, text, (size_t)(slash - text));
    plain[slash - text] = 0;
    address->family = family;
    address->bits = (unsigned)bits;
    return inet_pton(family, plain, address->bytes) == 1;
}

static bool parse_mac(const char *text, unsigned char mac[6]) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < 6; i++, text += 3) {
        const char *high = text[0] ? strchr(digits, text[0]) : NULL, *low = high && text[1] ? strchr(digits, text[1]) : NULL;
        if (!low || text[2] != (i < 5 ? ':' : 0))
            return false;
        mac[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
    return (mac[0] & 1) == 0;
}

static bool set_flag(struct plan_attachment *attachment, const char *flag) {
    bool *const targets[] = {&attachment->internal, &attachment->dns, &attachment->route};
    int index = CHOOSE(flag, "internal", "dns", "route");
    if (index >= 0)
        *targets[index] = true;
    return index >= 0;
}

/** What the kernel takes as a name of an interface, and no path. */
static bool interface_name(const char *text) {
    size_t length = strlen(text);
    return length > 0 && length < 16 && strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length && text[0] != '.' && text[0] != '-';
}

bool plan_add_attachment(struct plan *plan, char **arguments, size_t count) {
    uint64_t mtu;
    struct plan_attachment *attachment = count == 9 && plan->attachments.count < 64 ? GROW(plan->attachments) : NULL;
    if (!attachment)
        return false;
    attachment->network = arguments[0];
    attachment->interface = arguments[3];
    for (char *rest = arguments[1], *flag; (flag = strsep(&rest, ","));)
        if (*flag && !set_flag(attachment, flag))
            return false;
    if (strlen(arguments[0]) != 12 || strspn(arguments[0], "0123456789abcdef") != 12 || !parse_number(arguments[2], 65535, &mtu) || mtu < 68 || !interface_name(arguments[3]))
        return false;
    attachment->mtu = (unsigned)mtu;
    return parse_mac(arguments[4], attachment->mac) && parse_address(arguments[5], AF_INET, &attachment->own[0]) && parse_address(arguments[6], AF_INET, &attachment->gateway[0]) &&
           parse_address(arguments[7], AF_INET6, &attachment->own[1]) && parse_address(arguments[8], AF_INET6, &attachment->gateway[1]);
}

bool plan_add_name(struct plan *plan, char **arguments, size_t count) {
    size_t length = strlen(arguments[0]);
    return count == 1 && plan->attachments.count > 0 && length > 0 && length < 254 && plan_add_string(&plan->attachments.items[plan->attachments.count - 1].names, arguments[0]);
}

bool plan_parse_resolver(const char *text, struct plan_resolver *resolver) {
    char plain[INET6_ADDRSTRLEN];
    uint64_t port = 53;
    size_t length = strcspn(text, "#");
    if (length >= sizeof plain || (text[length] && (!parse_number(text + length + 1, 65535, &port) || port == 0)))
        return false;
    memcpy(plain, text, length);
    plain[length] = 0;
    *resolver = (struct plan_resolver){.family = strchr(plain, ':') ? AF_INET6 : AF_INET, .port = (uint16_t)port};
    return inet_pton(resolver->family, plain, resolver->address) == 1;
}

bool plan_add_resolver(struct plan *plan, char **arguments, size_t count) {
    struct plan_resolvers *list = plan->attachments.count > 0 ? &plan->attachments.items[plan->attachments.count - 1].resolvers : &plan->resolvers;
    struct plan_resolver *resolver = count == 1 ? GROW(*list) : NULL;
    return resolver && plan_parse_resolver(arguments[0], resolver);
}

bool plan_set_elsewhere(struct plan *plan, char **arguments, size_t count) {
    (void)arguments;
    plan->elsewhere = true;
    return count == 0;
}

bool plan_add_route(struct plan *plan, char **arguments, size_t count) {
    struct plan_attachment *attachment = plan->attachments.count > 0 ? &plan->attachments.items[plan->attachments.count - 1] : NULL;
    struct plan_route *route = attachment && count == 3 && attachment->routes.count < 256 ? GROW(attachment->routes) : NULL;
    int family = strchr(arguments[0], ':') ? AF_INET6 : AF_INET;
    uint64_t metric;
    if (!route || !parse_number(arguments[2], UINT32_MAX, &metric))
        return false;
    route->metric = (unsigned)metric;
    return parse_address(arguments[0], family, &route->to) && route->to.family && parse_address(arguments[1], family, &route->gateway) && route->gateway.family;
}

bool plan_set_net_hold(struct plan *plan, char **arguments, size_t count) {
    return count == 3 && plan_absolute(&plan->holder_directory, arguments[0]) && plan_absolute(&plan->holder_plan, arguments[1]) && plan_absolute(&plan->network_plan, arguments[2]);
}
