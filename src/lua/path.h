/*
 * Paths in text, "multi_pts.multi_points[3].x": each Struct remembers where the last ones led.
 */
#ifndef LIPM_PATH_H
#define LIPM_PATH_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_part {
    const ipm_type *type;
    uint64_t offset;
} lipm_part;

/* The part at the path at `index`; pushes two values, which keep it. `owner`: of the Struct. */
const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout);

#endif
