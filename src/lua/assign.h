/*
 * Assignment in two passes, so that nothing is half-written: check raises if the value at `index`
 * does not fit the place; assign stores it, neither raising nor allocating. It returns false,
 * having stored a part, only if the value was changed between the two.
 */
#ifndef LIPM_ASSIGN_H
#define LIPM_ASSIGN_H

#include "memory.h"

#include <lua.h>

void lipm_checkassign(lua_State *L, int index, const lipm_place *place);
bool lipm_assign(lua_State *L, int index, const lipm_place *place);

/* Whether a struct or array can be assigned to another: that has all of its fields, by path. */
bool lipm_fits(const ipm_type *given, const ipm_type *here);

/*
 * Copy what lies at `from` to a place, and where the layouts differ only the fields that both have.
 * One of the two types fits the other.
 * returns  false: the memory cannot be changed now
 */
bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from);

#endif
