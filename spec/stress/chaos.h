/*
 * Shared by the workers of the chaos test and the process that kills them.
 */
#ifndef CHAOS_H
#define CHAOS_H

#include "../../src/ipmmap.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <sys/types.h>

#define CHAOS_EDITORS 2
#define CHAOS_MANAGER (CHAOS_EDITORS + 4)
#define CHAOS_WORKERS (CHAOS_MANAGER + 1)

#define CHAOS_WRITERS 65536

typedef enum chaos_state { CHAOS_BUSY, CHAOS_WAITS, CHAOS_HOLDS } chaos_state;

typedef struct chaos_post {
    _Alignas(64) _Atomic int state; /* a chaos_state: what the worker does with the lock */
    _Atomic int64_t since_ns;       /* when the worker began to wait */
    _Atomic int64_t bereaved_ns;    /* the first death of a holder since then, or 0 */
} chaos_post;

typedef struct chaos_board {
    chaos_post posts[CHAOS_WORKERS];
    _Alignas(64) _Atomic uint64_t commits, locked_reads, snapshots, awaited, resets, replacements,
        destructions, recoveries;
    _Atomic uint64_t torn, stuck, wrong;
    _Atomic int64_t longest_ns; /* the longest wait after a holder's death */
    /* inode << 32 | version, or recoveries: of the data file with the highest inode number. If
     * managers only migrate, the versions of all data files are one sequence: 0 << 32. */
    _Atomic uint64_t committed, recovered;
    bool migrates;          /* managers only migrate */
    _Atomic double started; /* Unix seconds */
    /* By version: the process that was about to commit it last. A version that is committed is
     * never tried again, so its entry then names its writer. */
    _Atomic int32_t writers[CHAOS_WRITERS];
    _Atomic uint64_t signatures; /* that were checked */
} chaos_board;

extern chaos_board *chaos_shared;

/* Both are parsed before the workers are forked. A segment has one of these layouts. */
#define CHAOS_WORDS 500
extern ipm_layout *chaos_layouts[2];

/* The body of a worker, which never returns. The first CHAOS_EDITORS numbers are editors. */
void chaos_work(unsigned number) __attribute__((noreturn));

#endif
