/* Pure parts of the supervisor, tried directly. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "supervisor/buffer.h"
#include "base/message.h"
#include "base/status.h"
#include "container/identity.h"
#include "files/ownership.h"
#include "files/paths.h"
#include "network/dns.h"
#include "supervisor/dbus.h"
#include "supervisor/log.h"
#include "supervisor/record.h"

struct tally {
    int count, failed;
};

static void ok(struct tally *tally, bool good, const char *title) {
    tally->count++;
    tally->failed += !good;
    printf("%sok %d - %s\n", good ? "" : "not ", tally->count, title);
}

static void test_numbers(struct tally *tally) {
    static const char *const bad[] = {"", "-1", "+1", " 1", "1 ", "0x1", "18446744073709551616", "99999999999999999999", "1a"};
    uint64_t value = 0;
    bool all = true;
    for (size_t i = 0; i < N_ELEMENTS(bad); i++)
        all = all && !parse_number(bad[i], UINT64_MAX, &value);
    ok(tally, all, "what is no decimal number is refused");
    ok(tally, parse_number("18446744073709551615", UINT64_MAX, &value) && value == UINT64_MAX, "the largest number is read");
    ok(tally, parse_number("7", 7, &value) && !parse_number("8", 7, &value) && !parse_number("70", 7, &value), "the limit itself is allowed");
}

static void test_encoding(struct tally *tally) {
    char out[32];
    percent_encode("a b%\n\xc3\xa4", out, sizeof out);
    ok(tally, strcmp(out, "a%20b%25%0A%C3%A4") == 0, "status fields are percent-encoded");
    ok(tally, percent_encode("     ", out, 8) == 6 && strcmp(out, "%20%20") == 0, "an encoded text is never cut inside an escape");
}

static void test_buffer(struct tally *tally) {
    struct buffer buffer = {0};
    char text[5000];
    bool good = true;
    memset(text, 'x', sizeof text);
    for (int i = 0; i < 100; i++) {
        text[0] = (char)i;
        good = good && buffer_add(&buffer, text, sizeof text) == 0;
        if (i % 2)
            buffer_take(&buffer, sizeof text);
    }
    for (int i = 50; i < 100; i++) {
        good = good && buffer.data[buffer.start] == i;
        buffer_take(&buffer, sizeof text);
    }
    ok(tally, good && buffer.data == NULL, "a buffer gives bytes back in order and then its memory");
}

/** JobRemoved as systemd sends it, byte by byte of a message that we wrote ourselves: its kind and fields are put in by hand. */
static void test_dbus(struct tally *tally) {
    const struct dbus_target target = {"org.x", "/org/x", "org.x.I", "JobRemoved"};
    struct dbus_writer body = {0}, call;
    struct dbus_message message;
    dbus_put_u32(&body, 7);
    dbus_put_string(&body, "/job/7");
    dbus_put_string(&body, "a.scope");
    dbus_put_string(&body, "done");
    dbus_put_call(&call, &target, 3, "uoss", &body);
    ok(tally, dbus_size(call.bytes) == call.size && dbus_parse(call.bytes, call.size, &message), "a call of D-Bus can be read again");
    size_t at = 4;
    const char *job = dbus_get_string(&message, &at), *unit = dbus_get_string(&message, &at), *result = dbus_get_string(&message, &at);
    ok(tally, strcmp(message.member, "JobRemoved") == 0 && job && strcmp(unit, "a.scope") == 0 && strcmp(result, "done") == 0, "its member and its strings are found");
    ok(tally, !dbus_get_string(&message, &at), "behind the last string there is none");
    bool good = true;
    for (size_t size = 0; size < call.size; size++)
        good = good && !dbus_parse(call.bytes, size, &message);
    ok(tally, good, "a message that is cut is none");
    struct dbus_writer array = {0};
    size_t begun = dbus_begin_array(&array, 8);
    dbus_put_property(&array, "PIDs", "au");
    size_t inner = dbus_begin_array(&array, 4);
    dbus_put_u32(&array, 1);
    dbus_put_u32(&array, 2);
    dbus_end_array(&array, inner, 4);
    dbus_end_array(&array, begun, 8);
    uint32_t outer_size, inner_size;
    memcpy(&outer_size, array.bytes, 4);
    memcpy(&inner_size, array.bytes + inner - 4, 4);
    ok(tally, outer_size == array.size - 8 && inner_size == 8, "arrays count their elements without what aligns the first");
    char *const large = malloc(DBUS_CALL_MAX + 1);
    memset(large, 'x', DBUS_CALL_MAX);
    large[DBUS_CALL_MAX] = 0;
    dbus_put_string(&body, large);
    dbus_put_call(&call, &target, 1, "s", &body);
    ok(tally, call.cut, "what does not fit is told");
    free(large);
}

/** Whoever ends tells why, and may not have read all that it was told. */
static void test_last_message(struct tally *tally) {
    int ends[2], fds[1];
    size_t count = 1;
    struct failure failure = {0};
    struct message message = {.kind = MESSAGE_GO};
    bool good = socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0 && message_send(ends[0], &message, NULL, 0) == 0;
    fail(&failure, "mount", EIO, "somewhere");
    message_complain(ends[1], MESSAGE_FAILURE, &failure);
    close(ends[1]);
    good = good && message_receive(ends[0], &message, fds, &count, NULL) == 1 && count == 0;
    ok(tally, good && message.kind == MESSAGE_FAILURE && message.failure.number == EIO, "the last message of who ends is read");
    ok(tally, message_receive(ends[0], &message, NULL, NULL, NULL) == 0, "and then the end");
    close(ends[0]);
}

static void test_paths(struct tally *tally, const char *directory) {
    int root = open(directory, O_PATH | O_DIRECTORY);
    mkdirat(root, "a", 0755);
    symlinkat("../../../../outside", root, "a/up");
    symlinkat("/made/target", root, "absolute");
    symlinkat("loop", root, "loop");
    int fd = path_create(root, "/a/up/file", PATH_IN_ROOT, PATH_FILE);
    ok(tally, fd >= 0 && faccessat(root, "outside/file", F_OK, 0) == 0, "a link that points above the root stays inside");
    fd = path_create(root, "/absolute", PATH_IN_ROOT, PATH_DIRECTORY);
    ok(tally, fd >= 0 && faccessat(root, "made/target", F_OK, 0) == 0, "the target of a dangling link is made below the root");
    ok(tally, path_create(root, "/a/up/x", PATH_STRICT, PATH_FILE) < 0, "strict paths refuse links");
    ok(tally, path_create(root, "/loop/x", PATH_IN_ROOT, PATH_FILE) < 0, "loops end");
    close(root);
}

static void test_records(struct tally *tally) {
    char text[RECORD_SIZE];
    struct failure failure = {0};
    fail(&failure, "exec", 2, "a\"b\\\n\xff");
    struct exit_record record = {.code = 127, .failure = &failure, .started = "s", .finished = "f"};
    record_exit_text(&record, text);
    ok(tally, strstr(text, "\"error\":\"execute a\\u0022b\\u005c?\\u00ff: ") != NULL && strstr(text, "\",\"stage\":\"exec\",\"errno\":2") != NULL, "an exit record is plain ASCII JSON");
    failure_text(&failure, text, sizeof text);
    ok(tally, strchr(text, '\n') == NULL, "a message has no control characters of the image");
}

static void test_identity(struct tally *tally, const char *directory) {
    struct identity identity;
    struct failure failure = {0};
    struct strings none = {0};
    int root = open(directory, O_PATH | O_DIRECTORY);
    mkdirat(root, "etc", 0755);
    int file = openat(root, "etc/passwd", O_CREAT | O_WRONLY, 0644);
    dprintf(file, "broken\n:::\nweb:x:33:34::/srv:\nbig:x:4294967295:0::/:\n");
    close(file);
    ok(tally, identity_resolve(root, "web", &none, NULL, &identity, &failure) == 0 && identity.uid == 33 && identity.gid == 34 && strcmp(identity.home, "/srv") == 0, "a login is found among broken lines");
    ok(tally, identity_resolve(root, "big", &none, NULL, &identity, &failure) < 0, "an entry with a wrapped uid is no entry");
    ok(tally, identity_resolve(root, "33", &none, NULL, &identity, &failure) == 0 && identity.gid == 34, "a number with an entry gets its group");
    close(root);
}

static void test_journal(struct tally *tally, const char *directory) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    struct failure failure = {0};
    struct log log;
    char got[512], expected[512];
    snprintf(address.sun_path, sizeof address.sun_path, "%s/journal", directory);
    const struct plan plan = {.log = LOG_JOURNALD, .log_path = address.sun_path, .log_extra = "CONTAINER_NAME=box\n"};
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool open = bind(fd, (struct sockaddr *)&address, sizeof address) == 0 && log_open(&log, &plan, &failure) == 0;
    log_write(&log, 2, "bad=\0\npart", 10);
    int size = snprintf(expected, sizeof expected, "PRIORITY=3\nCONTAINER_NAME=box\nMESSAGE\n%c%7s", 5, "");
    memset(expected + size - 7, 0, 7);
    memcpy(expected + size, "bad=\0\n", 6);
    ok(tally, open && recv(fd, got, sizeof got, 0) == size + 6 && memcmp(got, expected, (size_t)size + 6) == 0, "a line is an entry of the journal, whatever is in it");
    ssize_t length = recv(fd, got, sizeof got - 1, 0);
    got[length > 0 ? length : 0] = 0;
    ok(tally, strstr(got, "CONTAINER_PARTIAL_MESSAGE=true\nMESSAGE\n") != NULL && memcmp(got + length - 5, "part\n", 5) == 0, "a part of a line says so");
    close(fd);
    unlink(address.sun_path);
    log_write(&log, 1, "lost\n", 5);
    ok(tally, log.dropped == 4, "what no journal takes is counted");
    log_close(&log);
}

/** A query for `wire` (labels with their lengths) of a type, with an OPT record that allows `room` bytes unless 0. */
static size_t make_query(unsigned char *out, const char *wire, size_t length, unsigned type, unsigned room) {
    const unsigned char header[DNS_HEADER] = {0xab, 0xcd, 1, 0, 0, 1, 0, 0, 0, 0, 0, room ? 1 : 0};
    memcpy(out, header, sizeof header);
    memcpy(out + sizeof header, wire, length);
    size_t size = sizeof header + length;
    const unsigned char rest[15] = {0, (unsigned char)type, 0, 1, 0, 0, 41, (unsigned char)(room >> 8), (unsigned char)room};
    memcpy(out + size, rest, room ? 15 : 4);
    return size + (room ? 15 : 4);
}

static void test_queries(struct tally *tally) {
    unsigned char query[600];
    struct dns_question question;
    size_t size = make_query(query, "\3WeB\3lan\0", 9, DNS_A, 0);
    ok(tally, dns_parse(query, size, &question) == DNS_OK && strcmp(question.name, "web.lan") == 0 && question.type == DNS_A && question.id == 0xabcd && question.room == DNS_UDP, "a query is read, its name in lower case");
    for (size_t cut = 0; cut < size; cut++) {
        unsigned char *exact = malloc(cut + 1);
        memcpy(exact, query, cut);
        int code = dns_parse(exact, cut, &question);
        if (code != (cut < DNS_HEADER ? -1 : DNS_FORMAT))
            ok(tally, false, "a query that is cut short is told from a whole one");
        free(exact);
    }
    query[2] |= 0x80;
    ok(tally, dns_parse(query, size, &question) == -1, "an answer gets no answer");
    query[2] = 0x28;
    ok(tally, dns_parse(query, size, &question) == DNS_NOT_IMPLEMENTED, "other operations are not implemented");
    size = make_query(query, "\xc0\x0c", 2, DNS_A, 0);
    ok(tally, dns_parse(query, size, &question) == DNS_FORMAT, "a question is not compressed");
    size = make_query(query, "\3a b\0", 5, DNS_A, 0);
    ok(tally, dns_parse(query, size, &question) == DNS_FORMAT, "a name has no blanks");
    size = make_query(query, "\3web\0", 5, DNS_A, 1232);
    ok(tally, dns_parse(query, size, &question) == DNS_OK && question.room == 1232, "how long an answer may be is read");
    char wire[300];
    for (size_t i = 0; i < 256; i += 64) {
        wire[i] = 63;
        memset(wire + i + 1, 'a', 63);
    }
    wire[256] = 0;
    size = make_query(query, wire, 257, DNS_A, 0);
    ok(tally, dns_parse(query, size, &question) == DNS_FORMAT, "a name is not longer than names are");
}

static void test_answers(struct tally *tally) {
    unsigned char query[100], bytes[DNS_UDP], address[16] = {10, 89, 0, 2};
    struct dns_question question;
    struct dns_reply reply;
    size_t size = make_query(query, "\3web\0", 5, DNS_A, 0);
    dns_parse(query, size, &question);
    dns_begin(&reply, bytes, question.room, query, &question, DNS_OK);
    dns_add_address(&reply, address, 4);
    ok(tally, reply.size == question.end + 16 && memcmp(bytes + question.end + 12, address, 4) == 0 && bytes[7] == 1, "an address is an answer");
    ok(tally, dns_answers(bytes, reply.size, query, &question), "it belongs to its question");
    bytes[1] ^= 1;
    ok(tally, !dns_answers(bytes, reply.size, query, &question), "an answer with another id does not");
    bytes[1] ^= 1;
    bytes[13] ^= 1;
    ok(tally, !dns_answers(bytes, reply.size, query, &question), "nor one to another question");
    bytes[13] ^= 1;
    for (int i = 0; i < 100; i++)
        dns_add_address(&reply, address, 16);
    ok(tally, reply.size <= DNS_UDP && (bytes[2] & 2) && bytes[7] == reply.count, "what does not fit is said to be cut");
    ok(tally, dns_reverse("2.0.89.10.in-addr.arpa", bytes) == 4 && memcmp(bytes, address, 4) == 0, "a reverse name means an address");
    ok(tally, dns_reverse("2.0.89.10.in-addr.arpa.x", bytes) == 0 && dns_reverse("2.0.89.256.in-addr.arpa", bytes) == 0, "other names do not");
    const char *six = "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa";
    ok(tally, dns_reverse(six, bytes) == 16 && bytes[0] == 0xfd && bytes[15] == 2, "and so does one of IPv6");
}

/** security.selinux can be set by root alone where SELinux is off; others must be told at which file it failed. */
static void test_labels(struct tally *tally, const char *directory) {
    static const char label[] = "system_u:object_r:container_file_t:s0:c1,c2";
    char path[128], link[160], value[64] = "";
    struct failure failure = {0};
    snprintf(path, sizeof path, "%s/labelled", directory);
    mkdir(path, 0755);
    snprintf(link, sizeof link, "%s/out", path);
    bool made = symlink("/etc/hostname", link) == 0;
    snprintf(link, sizeof link, "%s/below", path);
    made = made && mkdir(link, 0755) == 0;
    snprintf(link, sizeof link, "%s/below/file", path);
    close(open(link, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    int tree = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (geteuid() != 0) {
        int result = label_tree(tree, label, &failure);
        ok(tally, result == 0 || (failure.number == EPERM && strstr(failure.object, "relabel")), "who may not relabel is told");
        close(tree);
        return;
    }
    ok(tally, made && label_tree(tree, label, &failure) == 0, "a tree is relabelled");
    ok(tally, getxattr(link, "security.selinux", value, sizeof value) == sizeof label && strcmp(value, label) == 0, "to its last file");
    snprintf(link, sizeof link, "%s/out", path);
    ok(tally, lgetxattr(link, "security.selinux", value, sizeof value) == sizeof label, "a link itself");
    ok(tally, getxattr("/etc/hostname", "security.selinux", value, sizeof value) < 0, "and not what it names");
    close(tree);
}

int main(void) {
    struct tally tally = {0};
    char directory[] = "/tmp/coracle-unit.XXXXXX", command[64];
    if (!mkdtemp(directory))
        return 1;
    test_numbers(&tally);
    test_encoding(&tally);
    test_buffer(&tally);
    test_dbus(&tally);
    test_last_message(&tally);
    test_paths(&tally, directory);
    test_records(&tally);
    test_identity(&tally, directory);
    test_journal(&tally, directory);
    test_queries(&tally);
    test_answers(&tally);
    test_labels(&tally, directory);
    snprintf(command, sizeof command, "rm -rf %s", directory);
    tally.failed += system(command) != 0;
    printf("1..%d\n", tally.count);
    return tally.failed != 0;
}
