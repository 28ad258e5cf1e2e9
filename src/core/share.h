/*
 * What a segment's file says about the machines that share it: its place, and until when editors
 * may write. See "Segments on several machines" in ipmmap.h.
 *
 * The block lies in the page of the trailer's head, behind the head. All zeros: not shared. The
 * deadline is a word of its own, so that an editor needs one load, and so that it can move without
 * the lock. The rest has two copies, as a death, or a process that only reads, must not meet half
 * of a change: the one that `turn` does not choose is filled in before `turn` chooses it. Only a
 * process that holds the write lock changes more than a deadline.
 */
#ifndef IPM_CORE_SHARE_H
#define IPM_CORE_SHARE_H

#include "cold.h"
#include "trailer.h"

typedef struct ipm_share_copy {
    _Atomic uint64_t epoch;
    _Atomic uint64_t ahead;
    _Atomic uint64_t token;
    _Atomic uint32_t boot;  /* in which the deadline counts, as in ipm_identity */
    _Atomic uint32_t clock; /* the same, of the time namespace */
} ipm_share_copy;

typedef struct ipm_share_block {
    _Atomic int64_t deadline; /* 0: not shared; IPM_AT_REPLICA; otherwise a home's */
    _Atomic uint64_t turn;    /* its lowest bit chooses the copy */
    ipm_share_copy copies[2];
    unsigned char unused[48];
} ipm_share_block;

#define IPM_AT_REPLICA 1
#define IPM_LAPSED 2 /* a deadline that has passed in any case */

_Static_assert(offsetof(ipm_share_block, copies) == 16, "file format");
_Static_assert(offsetof(ipm_share_copy, boot) == 24, "file format");
_Static_assert(sizeof(ipm_share_copy) == 32, "file format");
_Static_assert(sizeof(ipm_share_block) == 128, "two cache lines");
_Static_assert(offsetof(ipm_trailer_head, state) + sizeof(ipm_state) == sizeof(ipm_trailer_head),
               "the block lies behind the state");

static inline ipm_share_block *ipm_share_of(const ipm_memory *memory) {
    return (ipm_share_block *)(void *)(memory->state + 1);
}

/* Whether it is to be asked who may write. */
static inline bool ipm_is_shared(const ipm_memory *memory) {
    return atomic_load_explicit(&ipm_share_of(memory)->deadline, memory_order_relaxed) != 0;
}

/*
 * Whether an editor may write to a segment that is shared.
 * name     begins the text of the error
 * returns  IPM_OK, IPM_ENOTHOME
 */
IPM_COLD int ipm_share_check(const ipm_share_block *block, const char *name, ipm_error *error);

/* Make the block of a new file, which nobody else has open, as the one of the file that it
 * replaces. The write lock of that one is held. */
void ipm_share_carry(ipm_share_block *to, const ipm_share_block *from);

#endif
