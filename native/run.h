/* `coracle-sv run`: from a plan on descriptor 3 to a supervisor in one of three modes. */
#ifndef CORACLE_RUN_H
#define CORACLE_RUN_H

enum { PLAN_FD = 3, STATUS_FD = 4, DATA_FD = 5, CLIENT_FD = 6 };

int run_main(int argc, char **argv);

#endif
