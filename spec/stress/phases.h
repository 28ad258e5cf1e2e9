/*
 * What a process may be doing when it dies: the phases that the sweep goes through.
 */
#ifndef PHASES_H
#define PHASES_H

#include "../../src/ipmmap.h"

#include <stdbool.h>

#define PHASE_WORDS 66 /* of the struct: 544 bytes, two blocks and a part of one */

typedef enum phase_holder { NOBODY, VICTIM, A_WRITER, A_READER } phase_holder;

/* What there is before the victim starts. */
typedef enum phase_scene {
    SEGMENT,    /* a segment at version 1 */
    NOTHING,    /* an empty directory */
    NO_LOCK,    /* the data file alone */
    DEAD_WRITER /* a segment at version 1, whose writer died in a transaction */
} phase_scene;

/* What there may be when it is dead. */
typedef enum phase_outcome {
    SAME,   /* the segment as it was */
    COMMIT, /* version 2 from the moment that the sequence is even again */
    ZEROED, /* the same, and all zero */
    ANOTHER /* the segment as it was, none, or a new one; old handles may say so */
} phase_outcome;

typedef struct phase_kind {
    const char *name;
    phase_scene scene;
    phase_holder holder; /* of the lock, when the phase begins */
    phase_outcome outcome;
    void (*before)(void); /* by the victim, not part of the phase */
    void (*run)(void);
    bool forces;    /* a segment of another layout may be in the way afterwards */
    bool newcomers; /* those who wait have not opened the segment yet */
    bool sleepers;  /* those who wait do it for a commit, not for the lock */
    bool opens;     /* and so is long */
} phase_kind;

extern const phase_kind phases[];
extern const unsigned phase_count;

/* Parsed before the victim is forked. */
extern ipm_layout *phase_layout, *phase_other_layout;

#endif
