/*
 * Stopping a child after any instruction of its run.
 *
 * A first child is run instruction by instruction, and where it was is recorded; the others, forked
 * from the same parent and doing the same, are stopped at a position of that trace: by a
 * breakpoint at an instruction of this program shortly before, at its n-th execution, and single
 * steps from there. All steps from the start would take the square of the run's length.
 *
 * A call of one given function is passed in one step, and counts as one instruction.
 */
#ifndef STEP_H
#define STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct step_child {
    pid_t pid;
    const volatile bool *inside; /* true while the child is in what is stepped through */
    void (*blocked)(void);       /* called when the child first blocks in a system call, or NULL */
    uintptr_t passed;            /* the function that is passed in one step, or 0 */
} step_child;

typedef struct step_instruction {
    uintptr_t address;
    uint32_t hit;  /* which execution of the instruction this is, from 1; 0: not this program's */
    bool is_call;  /* a system call */
    bool is_block; /* in which the child blocked */
} step_instruction;

typedef struct step_trace {
    step_instruction *run;
    unsigned length, room;
} step_trace;

typedef enum step_end {
    STEP_STOPPED,
    STEP_OUTSIDE, /* the child's run was shorter */
    STEP_STUCK    /* a system call did not return */
} step_end;

/* To be called by the child: before, with *inside false, and after it was set to false again. */
void step_begin(void);
void step_finish(void);

/* Wait for the child's step_begin: it is stopped then. */
void step_wait(const step_child *child);

/* Run a child that is at step_begin to the end. owner  the caller, who frees trace->run */
step_end step_record(const step_child *child, step_trace *trace);

/* Run a child that is at step_begin until it has executed `count` instructions of the trace. */
step_end step_to(const step_child *child, const step_trace *trace, unsigned count);

/* From there, let it sink into the system call that is next. STEP_OUTSIDE: it did not block */
step_end step_into(const step_child *child);

#endif
