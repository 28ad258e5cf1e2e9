/*
 * The Lua binding's own header: what its files share.
 *
 * A memory is a struct's bytes: a detached value's own, or a handle's while it holds its lock. A
 * view is a part of a memory. Where a function takes (memory, type, offset), that is a place: the
 * part of that type, `offset` bytes into the memory, of which messages give the path.
 *
 * Lua may run other code whenever memory is allocated (finalizers), a message is built or a wait
 * is interrupted (hooks), and that code may unlock or close any handle. So an address got from
 * lipm_base or lipm_change is used before the next such call, and never kept over one.
 *
 * Functions named lipm_check... and lipm_pin... raise; lipm_to... and lipm_test... do not.
 */
#ifndef LIPM_H
#define LIPM_H

#include <lauxlib.h>
#include <lua.h>

#include "../core/abandon.h"
#include "../core/fork.h"
#include "../core/rare.h"
#include "../ipmmap.h"

/* A Struct: the userdata "ipmmap.struct". */
typedef struct lipm_layout {
    ipm_layout *layout; /* NULL once freed: after its collection, and the last handle's closing */
    uint32_t alive;     /* 1 until it is collected */
    uint32_t handles;   /* open handles, which need the layout */
    uint32_t paths;     /* how many are cached */
} lipm_layout;

enum { LIPM_STRUCT_METATABLES = 1, LIPM_STRUCT_PATHS, LIPM_STRUCT_VALUES = LIPM_STRUCT_PATHS };

typedef struct lipm_memory {
    lipm_layout *layout;
    const ipm_type *type;    /* of the whole */
    unsigned char *base;     /* NULL: not to be touched, no lock is held */
    const uint32_t *watched; /* nor to be touched once this differs from `expected`: the fork */
    uint32_t expected;       /* generation for a handle, the layout's `alive` for a value */
    uint32_t reserved;       /* bytes at the start that cannot be assigned: a live header */
    unsigned char *ready;    /* the bytes that may be changed now: a value's all, a handle's */
    uint64_t ready_offset;   /* those that ipm_segment_change gave last in this transaction */
    uint64_t ready_size;
    ipm_segment *segment; /* NULL: detached */
    bool is_live;         /* a handle's */
    bool is_writable;
} lipm_memory;

typedef struct lipm_names lipm_names; /* a struct's fields by name: see view.c */

/* The userdata of every view, and the beginning of those of root views and values. */
typedef struct lipm_view {
    const void *mark; /* &lipm_mark, by which a metamethod knows its views */
    lipm_memory *memory;
    const ipm_type *type;
    uint64_t offset;
    const lipm_names *names; /* the Struct keeps them, and a container or `watched` the Struct */
} lipm_view;

/* A view keeps its memory alive through its container: a view, and at last a handle or value. */
enum { LIPM_VIEW_CONTAINER = 1, LIPM_VIEW_NESTED, LIPM_VIEW_VALUES = LIPM_VIEW_NESTED };

typedef struct lipm_value {
    lipm_view view;
    lipm_memory memory;
    _Alignas(8) unsigned char bytes[];
} lipm_value;

typedef struct lipm_handle {
    const void *mark; /* &lipm_handle_mark, by which a method knows its handles */
    lipm_memory memory;
    ipm_segment *segment; /* NULL: closed */
    lipm_layout *layout;
    uint64_t epoch;          /* counts the locks that were taken */
    uint64_t opened;         /* the version that it was opened at */
    struct lipm_root *spare; /* the user value LIPM_HANDLE_SPARE, or NULL */
    ipm_role role;
    bool is_pinned;     /* under this lock a method was used, so it is not forgotten */
    bool is_lost;       /* the collector found that the view of this lock cannot be reached */
    bool was_forgotten; /* the last lock was released by the collector */
    bool has_warned;    /* that a lock was forgotten */
} lipm_handle;

/* The spare is the root view of the last lock, kept for the next one if its closing ended it. */
enum {
    LIPM_HANDLE_STRUCT = 1,
    LIPM_HANDLE_SPARE,
    LIPM_HANDLE_SEEN, /* by path, the bytes that wait saw last; or nil */
    LIPM_HANDLE_VALUES = LIPM_HANDLE_SEEN
};

/* The view that lock() returns; it releases the lock if its epoch is still the handle's. */
typedef struct lipm_root {
    lipm_view view;
    lipm_handle *handle;
    uint64_t epoch;
    bool is_suspect;  /* was unreachable once, perhaps before the first method was used */
    bool is_enclosed; /* by a call of `with`, for as long as which it can be reached */
} lipm_root;

typedef struct lipm_part {
    const ipm_type *type;
    uint64_t offset;
} lipm_part;

/* A value on its way into a scalar. `text` belongs to the Lua string. */
typedef struct lipm_scalar {
    uint64_t bits;
    const char *text;
    size_t length;
} lipm_scalar;

/* ---- Errors (error.c) -------------------------------------------------------------------- */

/*
 * Raise: a plain message for the caller's bug (IPM_EINVALID), else an error object, { code,
 * message, where }. Both begin with the caller's position, as that of luaL_error does.
 */
IPM_RARE int lipm_raise(lua_State *L, const ipm_error *error);

/* Push nil, message, code, and return 3; raises the caller's bug. */
IPM_RARE int lipm_fail(lua_State *L, const ipm_error *error);

/* Raise "<struct>.<path>: <message>"; format as for lua_pushfstring. */
IPM_RARE int lipm_complain(lua_State *L, const lipm_memory *memory, const ipm_type *type,
                           uint64_t offset, const char *format, ...);

/* Raise that the memory cannot be touched now: no lock is held, or there was a fork. */
IPM_RARE int lipm_complain_access(lua_State *L, const lipm_memory *memory, const ipm_type *type,
                                  uint64_t offset);

/* Raise that the key at `key` names no part of the struct or array at that place. */
IPM_RARE int lipm_complain_key(lua_State *L, int key, const lipm_memory *memory,
                               const ipm_type *type, uint64_t offset);

/* Push "DemoMmapStructure.data_xy" for a place. */
void lipm_pushpath(lua_State *L, const lipm_memory *memory, const ipm_type *type, uint64_t offset);

/* Push the value at `index` as a message shows it: 'text', 3.5, a table. Calls no metamethod. */
void lipm_pushshown(lua_State *L, int index);

/* Push ": hp: int32 at 16 given, int64 at 16 here", the first difference of types of one name. */
const char *lipm_pushdifference(lua_State *L, const ipm_type *given, const ipm_type *here);

/* Create the metatable of error objects. */
void lipm_open_error(lua_State *L);

/* ---- Structs (layout.c, path.c, type.c) -------------------------------------------------- */

lipm_layout *lipm_checklayout(lua_State *L, int index);

/* Let go of the layout's memory, if neither its Struct nor a handle needs it any more. */
void lipm_freelayout(lipm_layout *layout);

/* The part at the path at `index`; pushes two values, which keep it. `owner`: of the Struct. */
const lipm_part *lipm_checkpath(lua_State *L, int index, int owner, lipm_layout *layout);

int lipm_describe(lua_State *L);
int lipm_type(lua_State *L);

void lipm_open_layout(lua_State *L);

/* ---- Scalars (scalar.c) ------------------------------------------------------------------ */

/* Push the scalar of this type at `at`, which nobody else changes. */
void lipm_pushscalar(lua_State *L, const ipm_type *type, const void *at);

/* Push the scalar at that place of a memory that can be touched, but that others may change. */
void lipm_pushlive(lua_State *L, const lipm_memory *memory, const ipm_type *type, uint64_t offset);

/* Convert the value at `index`; false if the type refuses it. Never allocates. */
bool lipm_toscalar(lua_State *L, int index, const ipm_type *type, lipm_scalar *scalar);

/* Store what lipm_toscalar made for the same type. */
void lipm_storescalar(void *at, const ipm_type *type, const lipm_scalar *scalar);

/* Raise why lipm_toscalar refused the value at `index` for that place. */
IPM_RARE int lipm_complain_scalar(lua_State *L, int index, const lipm_memory *memory,
                                  const ipm_type *type, uint64_t offset);

/* Push the range of a number's type as a message shows it: "0 to 255". */
const char *lipm_pushrange(lua_State *L, const ipm_type *type);

/* What `old` + the number at `index` gives in the type; false: out of range. Never allocates. */
bool lipm_addscalar(lua_State *L, int index, const ipm_type *type, const void *old,
                    lipm_scalar *sum);

/* ---- Views (view.c) ---------------------------------------------------------------------- */

/* The address of the memory's first byte, or NULL when it cannot be touched now. */
static inline unsigned char *lipm_base(const lipm_memory *memory) {
    return *memory->watched == memory->expected ? memory->base : NULL;
}

/* What lipm_change does where the range is not ready. */
IPM_RARE unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size);

/* The address of a range to change, of memory that can be touched and written; or NULL. */
static inline unsigned char *lipm_change(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t at = offset - memory->ready_offset;
    return at < memory->ready_size && size <= memory->ready_size - at
               ? memory->ready + at
               : lipm_makeready(memory, offset, size);
}

static inline bool lipm_is_scalar(const ipm_type *type) {
    return type->kind < IPM_ARRAY;
}

extern const char lipm_mark;

/* The view or value at `index`, or NULL. */
lipm_view *lipm_testview(lua_State *L, int index);

/* The same, raising. */
lipm_view *lipm_checkview(lua_State *L, int index);

/*
 * Push the metatable of views of a struct or array type, made at first need.
 * owner    index of the Struct whose layout owns the type
 * returns  the names that such a view is to know
 */
const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type);

/* Push the metatable of the root views of handles of a Struct, made at first need. */
const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, lipm_layout *layout);

/* Release the lock that a root view still holds (lock.c): view's __close and __gc. */
int lipm_root_close(lua_State *L);
int lipm_root_collect(lua_State *L);

/* ---- Values and assignment (value.c, bytes.c, assign.c, plain.c) ------------------------- */

/* Push a detached value whose bytes are not set yet. owner: index of the Struct. */
lipm_value *lipm_pushvalue(lua_State *L, int owner, lipm_layout *layout, const ipm_type *type);

/*
 * Assignment in two passes, so that nothing is half-written: check raises if the value at
 * `index` does not fit the place; assign stores it, neither raising nor allocating. It returns
 * false, having stored a part, only if the value was changed between the two.
 */
void lipm_checkassign(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                      uint64_t offset);
bool lipm_assign(lua_State *L, int index, lipm_memory *memory, const ipm_type *type,
                 uint64_t offset);

/* Raise if the table for that place has more in it than reading it raw shows (plain.c). */
void lipm_checkplain(lua_State *L, int index, const lipm_memory *memory, const ipm_type *type,
                     uint64_t offset);

int lipm_totable(lua_State *L);
int lipm_bytes(lua_State *L);
int lipm_setbytes(lua_State *L);
int lipm_new(lua_State *L);

/* ---- Handles (handle.c, member.c, lock.c, access.c, wait.c, changed.c, listen.c) --------- */

/* The handle that a method was called on, open or closed, and of any role. */
lipm_handle *lipm_checkanyhandle(lua_State *L);

/* The same, open. */
lipm_handle *lipm_checkhandle(lua_State *L);

/* The same, its lock pinned; and of a role that may write. */
lipm_handle *lipm_pinhandle(lua_State *L);
lipm_handle *lipm_pinwriter(lua_State *L);

/* Raise if the handle was closed: to be called after whatever may have run other code. */
void lipm_checkopen(lua_State *L, const lipm_handle *handle);

/* The name of its struct. */
const char *lipm_handlename(const lipm_handle *handle);

/* Warn, once for each handle, that the collector has released its lock. */
void lipm_warnforgotten(lua_State *L, lipm_handle *handle);

/* Whether it holds its lock, here and not in the parent before a fork. */
static inline bool lipm_is_locked(const lipm_handle *handle) {
    return lipm_base(&handle->memory) != NULL;
}

/* Take a segment's lock as ipm_segment_lock does, but let hooks interrupt the waiting. */
int lipm_waitlock(lua_State *L, lipm_handle *handle, int64_t timeout_ns, ipm_error *error);

/* A time to wait until, in slices between which hooks can interrupt the waiting. */
typedef struct lipm_deadline {
    int64_t end_ns; /* on the monotonic clock; IPM_FOREVER: none */
} lipm_deadline;

lipm_deadline lipm_deadline_start(int64_t timeout_ns);

/* How long to wait now: what is left, at most a second; 0 when the time has come. */
int64_t lipm_deadline_slice(const lipm_deadline *until);

void lipm_runhooks(lua_State *L);

/* Sleep until a commit after `version`, as ipm_segment_wait does, but let hooks interrupt it. */
int lipm_waitcommit(lua_State *L, const lipm_handle *handle, uint64_t version,
                    const lipm_deadline *until, uint64_t *now, ipm_error *error);

/* Wait for a change of the field whose path is at 2, at most for the seconds at 3 (changed.c). */
int lipm_waitfield(lua_State *L, lipm_handle *handle);

/*
 * Seconds at `index` in nanoseconds: `absent` if there is none; below 0 counts as 0.
 * whose  what a refusal begins with: the struct's name
 */
int64_t lipm_checkseconds(lua_State *L, int index, int64_t absent, const char *whose);

int lipm_open(lua_State *L);
int lipm_repair(lua_State *L);
int lipm_now(lua_State *L);
int lipm_sleep(lua_State *L);

int lipm_handle_lock(lua_State *L);
int lipm_handle_try_lock(lua_State *L);
int lipm_handle_with(lua_State *L);
int lipm_handle_unlock(lua_State *L);
int lipm_handle_rollback(lua_State *L);
int lipm_handle_read(lua_State *L);
int lipm_handle_snapshot(lua_State *L);
int lipm_handle_versioned_snapshot(lua_State *L);
int lipm_handle_write(lua_State *L);
int lipm_handle_set(lua_State *L);
int lipm_handle_add(lua_State *L);
int lipm_handle_touch(lua_State *L);
int lipm_handle_clear(lua_State *L);
int lipm_handle_wait(lua_State *L);
int lipm_handle_fd(lua_State *L);
int lipm_handle_drain(lua_State *L);
int lipm_handle_users(lua_State *L);

/* __newindex of handles, and __index of the table of their methods (member.c). */
int lipm_handle_newindex(lua_State *L);
int lipm_handle_unknown(lua_State *L);

/* Push the table of the methods of handles. */
void lipm_open_handle(lua_State *L);

#endif
