/* `coracle-sv run`: from a plan on descriptor 3 to a supervisor in one of three modes. */
#ifndef CORACLE_RUN_H
#define CORACLE_RUN_H

/** From PRESERVED_FD on: what an exec session's process gets from 3 on. */
enum { PLAN_FD = 3, STATUS_FD = 4, DATA_FD = 5, CLIENT_FD = 6, PRESERVED_FD = 32 };

int run_main(int argc, char **argv);

#endif
