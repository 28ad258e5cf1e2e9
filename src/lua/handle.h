/*
 * The userdata of readers, editors and managers.
 */
#ifndef LIPM_HANDLE_H
#define LIPM_HANDLE_H

#include "feed.h"

#include <lua.h>

typedef struct lipm_handle {
    const void *brand;       /* the address that tells handles from other userdata */
    lipm_memory *memory;     /* the memory of the handle's views: `first`, or a later layout's */
    ipm_segment *segment;    /* NULL: closed */
    lipm_layout *layout;     /* of the segment, as in `memory` */
    lipm_layout *definition; /* the program's, which the segment needs; mostly the same */
    uint64_t epoch;          /* how many times the lock was taken */
    uint64_t reported;       /* the version that wait_any reported last, at first `opened` */
    uint64_t turn;           /* the greatest of the handles that one list has was reported last */
    uint64_t opened;         /* the version when the handle was opened */
    uint64_t openings;       /* those of the segment when the handle took its layout */
    const lua_State *holder; /* the coroutine that took the lock */
    struct lipm_root *root;  /* the newest root view; it may have been collected: see lock.c */
    lipm_feed *feeds;        /* the open feeds of this handle */
    ipm_role role;
    bool is_root_spare; /* the next lock can use `root` again */
    bool is_pinned;     /* a method was called under this lock: the program still uses the lock */
    bool is_lost;       /* the collector found that no code can reach the view of this lock */
    bool was_forgotten; /* the collector released the last lock */
    bool has_warned;    /* a warning about a forgotten lock was given */
    bool follows;       /* the option `follow` */
    bool may_change;    /* the handle follows, and its offsets may change when it does */
    lipm_memory first;
} lipm_handle;

/* The user values of a handle. */
enum {
    LIPM_HANDLE_STRUCT = 1, /* the Struct of the segment's layout */
    LIPM_HANDLE_ROOT,       /* a table with weak values that contains `root`; or nil */
    LIPM_HANDLE_SEEN,       /* the bytes that wait saw last, by path; or nil */
    LIPM_HANDLE_DEFINITION, /* the program's Struct */
    LIPM_HANDLE_MEMORIES,   /* a list of the memories after the first; or nil */
    LIPM_HANDLE_VALUES = LIPM_HANDLE_MEMORIES
};

/* Push a handle that has no segment and no metatable yet. */
lipm_handle *lipm_pushhandle(lua_State *L, ipm_role role, lipm_layout *layout);

/* Its address is at the beginning of each handle. */
extern const char lipm_handle_brand;

IPM_COLD _Noreturn void lipm_refusehandle(lua_State *L);

/* The handle at index 1. Raises if the value there is none. The handle may be closed. */
static inline lipm_handle *lipm_checkanyhandle(lua_State *L) {
    lipm_handle *handle = lua_touserdata(L, 1);
    if (handle == NULL || lua_rawlen(L, 1) != sizeof *handle || handle->brand != &lipm_handle_brand)
        lipm_refusehandle(L);
    return handle;
}

IPM_COLD _Noreturn void lipm_refuseclosed(lua_State *L, const lipm_handle *handle);

/* Raise if the handle is closed. Call this after anything that can run Lua code, which may have
 * closed the handle. */
static inline void lipm_checkopen(lua_State *L, const lipm_handle *handle) {
    if (handle->segment == NULL)
        lipm_refuseclosed(L, handle);
}

/* Take the layout of the segment that the handle has followed to. If its offsets may change, follow
 * now, if that is possible: see follow.h. The handle is at index 1. */
IPM_COLD void lipm_catchup(lua_State *L, lipm_handle *handle);

/* The open handle at index 1. Raises if it is closed. */
static inline lipm_handle *lipm_checkhandle(lua_State *L) {
    lipm_handle *handle = lipm_checkanyhandle(L);
    lipm_checkopen(L, handle);
    if (handle->follows)
        lipm_catchup(L, handle);
    return handle;
}

/* The open handle at index 1. Marks its lock as used (is_pinned), so that the collector does not
 * release the lock. */
lipm_handle *lipm_pinhandle(lua_State *L);

/* As lipm_pinhandle; raises if the handle is a reader. */
lipm_handle *lipm_pinwriter(lua_State *L);

/* The roles' names, "reader", "editor" and "manager", by ipm_role, and NULL. */
extern const char *const lipm_roles[];

/* The name of the handle's struct, or "?" if the Struct was collected. */
const char *lipm_handlename(const lipm_handle *handle);

/* The message for a coroutine that would join the transaction of another one. */
#define LIPM_HELD_ELSEWHERE                                                                        \
    "%s: another coroutine holds the lock of this handle: wait until it has released it, or use "  \
    "a handle of this coroutine's own"

/* The version at `index`. Raises if the value is none. */
uint64_t lipm_checkversion(lua_State *L, int index, const lipm_handle *handle);

/* Raise if another coroutine holds the handle's lock. */
IPM_COLD void lipm_refuseholder(lua_State *L, const lipm_handle *handle);

/* Warn, once for each handle, that the collector has released its lock. */
void lipm_warnforgotten(lua_State *L, lipm_handle *handle);

/* Whether the handle holds its lock. Not so in the child of a fork. */
static inline bool lipm_is_locked(const lipm_handle *handle) {
    return lipm_base(handle->memory) != NULL;
}

/* Raise if another coroutine holds the handle's lock: what this one reads or writes would be a part
 * of a transaction that it does not know of. */
static inline void lipm_checkholder(lua_State *L, const lipm_handle *handle) {
    if (handle->holder != L && lipm_is_locked(handle))
        lipm_refuseholder(L, handle);
}

#endif
