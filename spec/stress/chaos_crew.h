/*
 * Workers of the chaos test that run another program.
 */
#ifndef CHAOS_CREW_H
#define CHAOS_CREW_H

#include <stdbool.h>

/*
 * Replace this process by the program. After its own arguments the program gets the worker's
 * number, the directory, and a seed. Its standard output goes to chaos_crew_hear.
 */
void chaos_crew_work(char **command, unsigned number, unsigned long long seed)
    __attribute__((noreturn));

/* Call this before the first worker is started. */
void chaos_crew_open(void);

/*
 * Add up the workers' reports: lines with the name of a count, a tabulator, and a number.
 * counts_recoveries  the workers are all of the crew, so that none of them counts the recoveries
 */
void chaos_crew_hear(bool counts_recoveries);

#endif
