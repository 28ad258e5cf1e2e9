/*
 * A view: a userdata that stands for a place.
 */
#ifndef LIPM_VIEW_H
#define LIPM_VIEW_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_names lipm_names; /* a struct's fields by name: see names.h */

/* The userdata of a view. Those of root views and values begin with it. */
typedef struct lipm_view {
    const void *brand; /* &lipm_view_brand, which tells views from other userdata */
    lipm_place place;
    const lipm_names *names; /* kept alive by the Struct, and that by the container */
} lipm_view;

/* The user values of a view. The container keeps the memory alive: it is the view that contains
 * this one, a root view's handle, or a value's Struct. NESTED is a table of the views of its parts,
 * by number: see push_nested in index.c. */
enum { LIPM_VIEW_CONTAINER = 1, LIPM_VIEW_NESTED, LIPM_VIEW_VALUES = LIPM_VIEW_NESTED };

/* Its address is at the beginning of each view, and is a key in each view's metatable. */
extern const char lipm_view_brand;

/* The view or value at `index`, or NULL. */
lipm_view *lipm_testview(lua_State *L, int index);

/* The view or value at `index`. Raises if the value there is none. */
lipm_view *lipm_checkview(lua_State *L, int index);

/* Push an empty table with weak values. */
void lipm_pushweak(lua_State *L);

#endif
