/*
 * Workers of the chaos that are another program.
 */
#ifndef CHAOS_CREW_H
#define CHAOS_CREW_H

/*
 * Replace this process by the program: it is given after its own arguments the worker's number, the
 * directory, and a seed. Its standard output goes to chaos_crew_hear.
 */
void chaos_crew_work(char **command, unsigned number, unsigned long long seed)
    __attribute__((noreturn));

/* Before the first one. */
void chaos_crew_open(void);

/* Add up what they have reported: lines of the name of a count, a tabulator, and how many. */
void chaos_crew_hear(void);

#endif
