/*
 * The userdata of readers, editors and managers.
 */
#ifndef LIPM_HANDLE_H
#define LIPM_HANDLE_H

#include "memory.h"

#include <lua.h>

typedef struct lipm_handle {
    const void *brand;       /* by which a method knows its handles */
    lipm_memory *memory;     /* what its views point to: `first`, or that of a later layout */
    ipm_segment *segment;    /* NULL: closed */
    lipm_layout *layout;     /* of the segment, as in `memory` */
    lipm_layout *definition; /* the program's, which the segment needs; mostly the same */
    uint64_t epoch;          /* counts the locks that were taken */
    uint64_t opened;         /* the version that it was opened at */
    uint64_t openings;       /* of the segment, when the handle took its layout */
    struct lipm_root *spare; /* the user value LIPM_HANDLE_SPARE, or NULL: see lock.c */
    ipm_role role;
    bool is_pinned;     /* under this lock a method was used, so it is not forgotten */
    bool is_lost;       /* the collector found that the view of this lock cannot be reached */
    bool was_forgotten; /* the last lock was released by the collector */
    bool has_warned;    /* that a lock was forgotten */
    bool follows;
    bool may_change; /* it follows, and by that its layout may change */
    lipm_memory first;
} lipm_handle;

/* The spare is the root view of the last lock, kept for the next one if its closing ended it. */
enum {
    LIPM_HANDLE_STRUCT = 1, /* of the segment's layout */
    LIPM_HANDLE_SPARE,
    LIPM_HANDLE_SEEN,       /* by path, the bytes that wait saw last; or nil */
    LIPM_HANDLE_DEFINITION, /* the program's Struct */
    LIPM_HANDLE_MEMORIES,   /* a list of those after the first; or nil */
    LIPM_HANDLE_VALUES = LIPM_HANDLE_MEMORIES
};

/* Push a handle that has no segment and no metatable yet. */
lipm_handle *lipm_pushhandle(lua_State *L, ipm_role role, lipm_layout *layout);

/* The handle that a method was called on, open or closed, and of any role. */
lipm_handle *lipm_checkanyhandle(lua_State *L);

/* The same, open. */
lipm_handle *lipm_checkhandle(lua_State *L);

/* The same, its lock pinned; and of a role that may write. */
lipm_handle *lipm_pinhandle(lua_State *L);
lipm_handle *lipm_pinwriter(lua_State *L);

/* Raise if the handle was closed: to be called after whatever may have run other code. */
void lipm_checkopen(lua_State *L, const lipm_handle *handle);

/* "reader", "editor", "manager", NULL: by role. */
extern const char *const lipm_roles[];

/* The name of its struct. */
const char *lipm_handlename(const lipm_handle *handle);

/* Warn, once for each handle, that the collector has released its lock. */
void lipm_warnforgotten(lua_State *L, lipm_handle *handle);

/* Whether it holds its lock, here and not in the parent before a fork. */
static inline bool lipm_is_locked(const lipm_handle *handle) {
    return lipm_base(handle->memory) != NULL;
}

#endif
