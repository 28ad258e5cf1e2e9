/*
 * What the workers of the chaos and the one who kills them share.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include "../../src/ipmmap.h"

#include <stdatomic.h>
#include <sys/types.h>

#define CHAOS_EDITORS 2
#define CHAOS_WORKERS (CHAOS_EDITORS + 5)

typedef enum chaos_state { CHAOS_BUSY, CHAOS_WAITS, CHAOS_HOLDS } chaos_state;

typedef struct chaos_post {
    _Alignas(64) _Atomic int state; /* a chaos_state: with the lock */
    _Atomic int64_t since_ns;       /* when it began to wait */
    _Atomic int64_t bereaved_ns;    /* the first death of a holder since then, or 0 */
} chaos_post;

typedef struct chaos_board {
    chaos_post posts[CHAOS_WORKERS];
    _Alignas(64) _Atomic uint64_t commits, locked_reads, snapshots, awaited, resets, replacements,
        destructions, recoveries;
    _Atomic uint64_t torn, stuck, wrong;
    _Atomic int64_t longest_ns; /* wait beyond a holder's death */
    /* Of the data file with the highest inode number: number << 32 | version, or recoveries. */
    _Atomic uint64_t committed, recovered;
} chaos_board;

extern chaos_board *chaos_shared;

/* Parsed before the workers are forked: a segment has one or the other. */
#define CHAOS_WORDS 500
extern ipm_layout *chaos_layouts[2];

/* What the worker of that number does, for ever: the first ones are the editors. */
void chaos_work(unsigned number) __attribute__((noreturn));

#endif
