/* Makes a plan from text: one record per line, fields separated by tabs. Reads standard input, writes standard output. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>

#include "plan/plan.h"

static void put(FILE *out, const char *text) {
    fwrite(text, strlen(text) + 1, 1, out);
}

int main(void) {
    char *line = NULL, *plan = NULL, text[16];
    size_t room = 0, size = 0;
    FILE *out = open_memstream(&plan, &size);
    put(out, "coracle-plan 1");
    for (ssize_t length; (length = getline(&line, &room, stdin)) > 0;) {
        char *fields[PLAN_MAX_ARGUMENTS + 2], *rest = line;
        size_t count = 0;
        line[strcspn(line, "\n")] = 0;
        if (!*line)
            continue;
        while (rest && count < N_ELEMENTS(fields))
            fields[count++] = strsep(&rest, "\t");
        put(out, fields[0]);
        snprintf(text, sizeof text, "%zu", count - 1);
        put(out, text);
        for (size_t i = 1; i < count; i++)
            put(out, fields[i]);
    }
    fflush(out);
    snprintf(text, sizeof text, "%08x", (unsigned)plan_crc(plan, size));
    put(out, "end");
    put(out, "1");
    put(out, text);
    fclose(out);
    fwrite(plan, size, 1, stdout);
    free(plan);
    free(line);
    return 0;
}
