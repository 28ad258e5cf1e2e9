/*
 * A draft: what an assignment is going to store. It is complete before anything is stored, so an
 * assignment that is refused stores nothing. And it has copies of everything, so it does not
 * matter what becomes of the tables and strings that it was made from.
 *
 * It is made of pieces: new bytes for a range of a memory, or for some fields of a small struct.
 */
#ifndef LIPM_DRAFT_H
#define LIPM_DRAFT_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_piece {
    uint64_t offset;      /* in the memory */
    uint64_t size;        /* of `bytes` */
    const ipm_type *type; /* of the struct of which only `fields` are given; NULL: all bytes are */
    uint64_t fields;      /* bit i: the field i */
    uint64_t zeros;       /* so many bytes after those become zero */
    unsigned char bytes[];
} lipm_piece;

/* As much as this is on the C stack, and more in a userdata. */
#define LIPM_SHORT_DRAFT 1024

typedef struct lipm_draft {
    lua_State *L;
    int owner;     /* index of the Struct, which keeps the last userdata for the next draft */
    int kept;      /* index of the userdata, or of nil */
    uint64_t size; /* of the pieces */
    uint64_t room; /* for them at `bytes` */
    unsigned char *bytes;
    _Alignas(8) unsigned char few[LIPM_SHORT_DRAFT];
} lipm_draft;

/* Begin an empty draft. Pushes one value. */
void lipm_begindraft(lua_State *L, int owner, lipm_draft *draft);

/* Make room for so many bytes more; raises, and may run other code. */
IPM_COLD void lipm_growdraft(lipm_draft *draft, uint64_t size);

static inline lipm_piece *lipm_pieceat(const lipm_draft *draft, uint64_t at) {
    return (lipm_piece *)(void *)(draft->bytes + at);
}

/* Add a piece for all of a range, its bytes not set yet. returns  where it is, for lipm_pieceat */
static inline uint64_t lipm_addpiece(lipm_draft *draft, uint64_t offset, uint64_t size) {
    uint64_t needed = sizeof(lipm_piece) + ((size + 7) & ~UINT64_C(7));
    uint64_t at = draft->size;
    if (draft->room - at < needed)
        lipm_growdraft(draft, needed);
    draft->size = at + needed;
    *lipm_pieceat(draft, at) = (lipm_piece){.offset = offset, .size = size};
    return at;
}

/* Store the draft to memory that can be touched and written. returns  false: it cannot */
bool lipm_storedraft(lipm_draft *draft, lipm_memory *memory);

#endif
