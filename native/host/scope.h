/* `coracle-sv scope`: what a caller that watches over a bundle's process has systemd do with it (PROTOCOL.md 2.9). */
#ifndef CORACLE_SCOPE_H
#define CORACLE_SCOPE_H

/** Exits with 0, or with 125 and the reason on standard error. */
int scope_main(int argc, char **argv);

#endif
