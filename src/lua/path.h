/*
 * Paths as text, such as "multi_pts.multi_points[3].x". Each Struct has a cache of parsed paths.
 *
 * A path may lead through elements of lists and through optional parts. Whether these are there,
 * the present values tell: see lipm_findgap.
 */
#ifndef LIPM_PATH_H
#define LIPM_PATH_H

#include "memory.h"

#include <lua.h>

/* A list or an optional part on the way to a part. */
typedef struct lipm_guard {
    const ipm_type *type;
    uint64_t offset;
    uint64_t index; /* of the element of a list, from 1 */
} lipm_guard;

typedef struct lipm_part {
    const ipm_type *type;
    uint64_t offset;
    size_t guard_count;
    lipm_guard guards[]; /* from the outermost one on */
} lipm_part;

/*
 * The part that the path at `index` leads to. Raises if it leads to none. Pushes two values, which
 * keep the result from being collected.
 * owner  the index of the Struct
 */
const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout);

/* The first thing on the way to a part that is not there. */
typedef struct lipm_gap {
    const lipm_guard *guard; /* NULL: the part is there */
    uint32_t count;          /* of a list: its number of elements */
} lipm_gap;

/* bytes  those from the offset `first` on, at least from the first guard's to the last one's end */
lipm_gap lipm_findgap(const lipm_part *part, const unsigned char *bytes, uint64_t first);

/* Whether the path leads to the element after the last one of a list, and no further. */
bool lipm_is_next(const lipm_part *part, const lipm_gap *gap);

/* Raise an error about a gap. That of a damaged file is an error object. */
IPM_COLD _Noreturn int lipm_complain_gap(lua_State *L, lipm_memory *memory, const lipm_part *part,
                                         const lipm_gap *gap);

#endif
