/* Options of the sanitizers for test builds: the program empties its environment, so they cannot come from there. */
const char *__asan_default_options(void);
const char *__ubsan_default_options(void);

/* Leaks are not looked for: that needs ptrace, which a process that is not dumpable refuses. */
const char *__asan_default_options(void) {
    return "detect_leaks=0:log_path=/tmp/coracle-sanitizer:exitcode=99";
}

const char *__ubsan_default_options(void) {
    return "print_stacktrace=1";
}
