/*
 * A draft: the bytes that an assignment will store. The draft is complete before the first byte is
 * stored, so an assignment that is refused stores nothing. The draft contains copies, so the tables
 * and strings that it was made from may change before it is stored.
 *
 * A draft is a sequence of pieces. A piece has the new bytes of a range of a memory, or of some
 * fields of a small struct.
 */
#ifndef LIPM_DRAFT_H
#define LIPM_DRAFT_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_piece {
    uint64_t offset;      /* in the memory */
    uint64_t size;        /* the number of bytes in `bytes` */
    const ipm_type *type; /* the struct whose `fields` are stored; NULL: all bytes are stored */
    uint64_t fields;      /* bit i: the field with the index i is stored */
    uint64_t zeros;       /* how many bytes behind the range become zero */
    unsigned char bytes[];
} lipm_piece;

/* A draft of at most this many bytes is on the C stack, a larger one in a userdata. */
#define LIPM_SHORT_DRAFT 1024

typedef struct lipm_draft {
    lua_State *L;
    int owner;     /* the index of the Struct that keeps the userdata for the next draft */
    int kept;      /* the index of the userdata, or of nil if there is none */
    uint64_t size; /* the number of bytes that the pieces take */
    uint64_t room; /* the number of bytes at `bytes` */
    unsigned char *bytes;
    _Alignas(8) unsigned char few[LIPM_SHORT_DRAFT];
} lipm_draft;

/* Begin an empty draft. Pushes one value. */
void lipm_begindraft(lua_State *L, int owner, lipm_draft *draft);

/* Make room for `size` more bytes. May raise and may run other code, because it allocates. */
IPM_COLD void lipm_growdraft(lipm_draft *draft, uint64_t size);

/* The piece at an offset in the draft. The next lipm_addpiece may move it. */
static inline lipm_piece *lipm_pieceat(const lipm_draft *draft, uint64_t at) {
    return (lipm_piece *)(void *)(draft->bytes + at);
}

/*
 * Add a piece for a range of a memory. The caller sets its bytes. May raise and may run other code.
 * returns  the piece's offset in the draft, for lipm_pieceat
 */
static inline uint64_t lipm_addpiece(lipm_draft *draft, uint64_t offset, uint64_t size) {
    uint64_t needed = sizeof(lipm_piece) + ((size + 7) & ~UINT64_C(7));
    uint64_t at = draft->size;
    if (draft->room - at < needed)
        lipm_growdraft(draft, needed);
    draft->size = at + needed;
    *lipm_pieceat(draft, at) = (lipm_piece){.offset = offset, .size = size};
    return at;
}

/*
 * Move the pieces behind the offset `from` into the bytes of the piece at `at`, which is the last
 * one before them: their memory is this piece instead of the place's.
 */
void lipm_foldpieces(lipm_draft *draft, uint64_t at, uint64_t from, const lipm_memory *memory);

/*
 * Store the draft. The memory must be accessible (lipm_base) and writable.
 * returns  false: a range cannot be changed; the pieces before it were stored
 */
bool lipm_storedraft(lipm_draft *draft, lipm_memory *memory);

#endif
