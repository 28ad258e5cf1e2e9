/*
 * Stopping a child after any instruction of its run.
 *
 * A first child runs in single steps, and its instruction addresses are recorded as a trace. The
 * other children are forked from the same parent and do the same. Each is stopped at a position of
 * that trace: a breakpoint stops it shortly before, at the n-th execution of an instruction of this
 * program, and single steps do the rest. Single steps from the start would take a time that grows
 * with the square of the run's length.
 *
 * One given function can be skipped: each call of it is one step, and counts as one instruction.
 */
#ifndef STEP_H
#define STEP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct step_child {
    pid_t pid;
    const volatile bool *inside; /* true while the child is in the run to step through */
    void (*blocked)(void);       /* called when the child first blocks in a system call, or NULL */
    uintptr_t passed;            /* the function whose calls are one step, or 0 */
} step_child;

typedef struct step_instruction {
    uintptr_t address;
    uint32_t hit;  /* which execution of this instruction, from 1; 0: not in this program */
    bool is_call;  /* it is a system call */
    bool is_block; /* it is a system call in which the child blocked */
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

/* The child calls step_begin before it sets *inside, and step_finish after it has cleared it. */
void step_begin(void);
void step_finish(void);

/* Wait until the child has called step_begin and is stopped there. */
void step_wait(const step_child *child);

/* Run a child that is at step_begin to the end. owner  the caller, who frees trace->run */
step_end step_record(const step_child *child, step_trace *trace);

/* Run a child that is at step_begin until it has executed `count` instructions of the trace. */
step_end step_to(const step_child *child, const step_trace *trace, unsigned count);

/* From there, let the child block in its next system call. STEP_OUTSIDE: it did not block */
step_end step_into(const step_child *child);

#endif
