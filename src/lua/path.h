/*
 * Paths as text, such as "multi_pts.multi_points[3].x". Each Struct has a cache of parsed paths.
 */
#ifndef LIPM_PATH_H
#define LIPM_PATH_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_part {
    const ipm_type *type;
    uint64_t offset;
} lipm_part;

/*
 * The part that the path at `index` leads to. Raises if it leads to none. Pushes two values, which
 * keep the result from being collected.
 * owner  the index of the Struct
 */
const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout);

#endif
