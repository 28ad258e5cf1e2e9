/*
 * A view: the userdata that stands for a place.
 */
#ifndef LIPM_VIEW_H
#define LIPM_VIEW_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_names lipm_names; /* a struct's fields by name: see names.h */

/* The userdata of every view, and the beginning of those of root views and values. */
typedef struct lipm_view {
    const void *brand; /* &lipm_view_brand, by which a metamethod knows its views */
    lipm_place place;
    const lipm_names *names; /* the Struct keeps them, and a container or `watched` the Struct */
} lipm_view;

/* A view keeps its memory alive through its container: a view, and at last a handle or value. */
enum { LIPM_VIEW_CONTAINER = 1, LIPM_VIEW_NESTED, LIPM_VIEW_VALUES = LIPM_VIEW_NESTED };

/* Begins each view, and is a key in its metatable: what tells views from other userdata. */
extern const char lipm_view_brand;

/* The view or value at `index`, or NULL. */
lipm_view *lipm_testview(lua_State *L, int index);

/* The same, raising. */
lipm_view *lipm_checkview(lua_State *L, int index);

#endif
