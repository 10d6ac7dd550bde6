/* `coracle start NAME` without Node.js: with the plan that the last start, or `create`, kept. PROTOCOL.md 2.11. */
#ifndef CORACLE_LAUNCHER_START_H
#define CORACLE_LAUNCHER_START_H

/* `root` is the store's directory, NULL for the one by the environment; `main_script` is the path of dist/main.cjs. 0: the container `name` runs, and its name was printed. -1: nothing was done, or nothing came of it; Node.js is to do it. */
int start_prepared(const char *root, const char *name, const char *main_script);

#endif
