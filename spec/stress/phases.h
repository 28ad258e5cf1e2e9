/*
 * The phases of the sweep: what a process may be doing when it dies.
 */
#ifndef PHASES_H
#define PHASES_H

#include "stress.h"

#include "../../src/ipmmap.h"

#include <stdbool.h>

#define PHASE_SKIPPED 2 /* by a commit that skips versions */
#define PHASE_WORDS 66  /* of the struct: 544 bytes, two blocks and a part of one */

typedef enum phase_holder { NOBODY, VICTIM, A_WRITER, A_READER } phase_holder;

/* What exists before the victim starts. */
typedef enum phase_scene {
    SEGMENT,    /* a segment at version 1 */
    NOTHING,    /* an empty directory */
    NO_LOCK,    /* only the data file */
    DEAD_WRITER /* a segment at version 1, whose writer died in a transaction */
} phase_scene;

/* What may exist after the victim's death. */
typedef enum phase_outcome {
    SAME,    /* the segment as it was */
    COMMIT,  /* the segment as it was, or version 2 once the sequence is even again; or, if versions
              * are skipped, the one after those */
    ZEROED,  /* the same, but version 2 is all zero */
    ANOTHER, /* the segment as it was, none, or a new one; old handles may report that */
    MIGRATED /* the segment as it was, or a new one with its values; or none, and a manager finds
              * them; old handles may report that */
} phase_outcome;

typedef struct phase_kind {
    const char *name;
    phase_scene scene;
    phase_holder holder; /* the process that holds the lock when the phase begins */
    phase_outcome outcome;
    void (*before)(void); /* run by the victim before the phase */
    void (*run)(void);
    stress_way way;   /* by which there may be a segment of another layout afterwards */
    bool newcomers;   /* the waiters have not opened the segment yet */
    bool sleepers;    /* the waiters wait for a commit, not for the lock */
    bool opens;       /* the phase opens a segment, so it is long */
    bool has_ring;    /* the segment has a ring, and a survivor follows it */
    unsigned skipped; /* how many versions the commit skips */
} phase_kind;

extern const phase_kind phases[];
extern const unsigned phase_count;

/* Both are parsed before the victim is forked. */
extern ipm_layout *phase_layout, *phase_other_layout;

#endif
