/*
 * What the metamethods of views do with the part that a key stands for. Each is a closure with the
 * Struct as an upvalue, and has the view at index 1.
 */
#ifndef LIPM_FIELD_H
#define LIPM_FIELD_H

#include "error.h"
#include "names.h"
#include "scalar.h"

enum { LIPM_OWNER_UPVALUE = 1, LIPM_VIEW_UPVALUES = LIPM_OWNER_UPVALUE };

IPM_COLD _Noreturn void lipm_refuseself(lua_State *L);

/*
 * The view at index 1, on which a metamethod was called. Raises if its memory is not accessible.
 * If the program itself calls the metamethod, the view may have any type.
 */
static inline const lipm_view *lipm_checkself(lua_State *L) {
    const lipm_view *self = lua_touserdata(L, 1);
    if (self == NULL || lua_rawlen(L, 1) < sizeof *self || self->brand != &lipm_view_brand)
        lipm_refuseself(L);
    if (lipm_base(self->place.memory) == NULL)
        lipm_complain_access(L, &self->place);
    return self;
}

/* The part of lipm_pushpart for what is no scalar: the view of a struct, an array or a list; what
 * an optional part contains, or nil. */
int lipm_pushwhole(lua_State *L, uint64_t number, const lipm_view *self, const lipm_place *part);

/*
 * Push a part of the view at index 1. Call this directly after lipm_checkself: no other code may
 * have run since.
 * number  by which the view keeps the part's view: the index of an element, or lipm_name.number
 */
static inline int lipm_pushpart(lua_State *L, uint64_t number, const lipm_view *self,
                                lipm_place part) {
    if (lipm_is_scalar(part.type)) {
        lipm_pushlive(L, &part);
        return 1;
    }
    return lipm_pushwhole(L, number, self, &part);
}

/* Return two values: the key on the top, and its part. */
int lipm_pushpair(lua_State *L, uint64_t number, const lipm_view *self, lipm_place part);

/* The part of lipm_setpart for what is no scalar: assign all of it, or nothing. Raises for a part
 * of a live header. */
int lipm_setwhole(lua_State *L, const lipm_place *part, const lipm_names *names);

/* Assign the value at index 3 to a part of a view. */
static inline int lipm_setpart(lua_State *L, lipm_place part, const lipm_names *names) {
    lipm_memory *memory = part.memory;
    lipm_scalar scalar;
    if (!memory->is_writable)
        return lipm_complain_write(L, &part);
    if (!lipm_is_scalar(part.type) || part.offset < memory->reserved)
        return lipm_setwhole(L, &part, names);
    if (!lipm_toscalar(L, 3, part.type, &scalar))
        return lipm_complain_scalar(L, 3, &part);
    unsigned char *at = lipm_change(memory, part.offset, part.type->size);
    if (at == NULL)
        return lipm_complain_access(L, &part);
    lipm_storescalar(at, part.type, &scalar);
    return 0;
}

/* The array index at stack index 2, from 1; or 0 if it is not a positive whole number. */
static inline uint64_t lipm_toindex(lua_State *L) {
    int is_whole;
    lua_Integer index = lua_tointegerx(L, 2, &is_whole);
    return is_whole && lua_type(L, 2) == LUA_TNUMBER && index > 0 ? (uint64_t)index : 0;
}

#endif
