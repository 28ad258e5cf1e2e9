/*
 * Views: v.field, v[i], #v, pairs. They are the metamethods of live and of detached memory alike.
 *
 * Each struct or array type of a layout has a metatable of its own, with the fields by name. Its
 * functions are closures that know the Struct. They know a view by the mark it begins with, which
 * takes 5 ns; comparing metatables takes 13, and luaL_checkudata 20, of about 40 for an access.
 * They find a name by the address that Lua gives each short string once, in a table that the view
 * knows: 8 ns less than from a Lua table.
 */
#include "../core/transaction.h"
#include "lipm.h"

#include <stdlib.h>
#include <string.h>

enum { STRUCT = 1, UPVALUES = STRUCT };

/* Arrays of more elements than this let the collector have the views of those not in use. */
#define CACHED_ELEMENTS 1024

/* Begins each view, and is a key in its metatable: what tells views from other userdata. */
const char lipm_mark = 'v';

/* Whole blocks are made ready: that costs the same as making one byte of each ready. */
unsigned char *lipm_makeready(lipm_memory *memory, uint64_t offset, uint64_t size) {
    uint64_t first = offset & ~(IPM_BLOCK_SIZE - 1);
    uint64_t last = (offset + size + IPM_BLOCK_SIZE - 1) & ~(IPM_BLOCK_SIZE - 1);
    uint64_t end = last < memory->type->size ? last : memory->type->size;
    unsigned char *ready = ipm_segment_change(memory->segment, first, end - first);
    if (ready == NULL) {
        return NULL;
    }
    memory->ready = ready;
    memory->ready_offset = first;
    memory->ready_size = end - first;
    return ready + (offset - first);
}

lipm_view *lipm_testview(lua_State *L, int index) {
    lipm_view *view = lua_touserdata(L, index);
    if (view == NULL || lua_rawlen(L, index) < sizeof *view || view->mark != &lipm_mark ||
        !lua_getmetatable(L, index)) {
        return NULL;
    }
    bool is_view = lua_rawgetp(L, -1, &lipm_mark) != LUA_TNIL;
    lua_pop(L, 2);
    return is_view ? view : NULL;
}

lipm_view *lipm_checkview(lua_State *L, int index) {
    lipm_view *view = lipm_testview(L, index);
    if (view == NULL) {
        luaL_typeerror(L, index, "view or value");
    }
    return view;
}

static _Noreturn void refuse_self(lua_State *L) {
    luaL_typeerror(L, 1, "view");
    abort(); /* what raises does not come here */
}

/*
 * The view that a metamethod was called on, of memory that can be touched now. If it was called by
 * hand, the view may be of any type.
 */
static inline const lipm_view *check_self(lua_State *L) {
    const lipm_view *view = lua_touserdata(L, 1);
    if (view == NULL || lua_rawlen(L, 1) < sizeof *view || view->mark != &lipm_mark) {
        refuse_self(L);
    }
    if (lipm_base(view->memory) == NULL) {
        lipm_complain_access(L, view->memory, view->type, view->offset);
    }
    return view;
}

/* ---- Nested views ------------------------------------------------------------------------ */

static void push_cache(lua_State *L, const lipm_view *view) {
    lua_newtable(L);
    if (view->type->kind == IPM_ARRAY && view->type->count > CACHED_ELEMENTS) {
        lua_createtable(L, 0, 1);
        lua_pushliteral(L, "v");
        lua_setfield(L, -2, "__mode");
        lua_setmetatable(L, -2);
    }
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, LIPM_VIEW_NESTED);
}

/* Push the view of a part of the view at 1; the part's key is at `key`. */
static int push_nested(lua_State *L, int key, const lipm_view *view, const ipm_type *type,
                       uint64_t offset) {
    if (lua_getiuservalue(L, 1, LIPM_VIEW_NESTED) == LUA_TTABLE) {
        lua_pushvalue(L, key);
        if (lua_rawget(L, -2) == LUA_TUSERDATA) {
            return 1;
        }
        lua_pop(L, 1);
    } else {
        push_cache(L, view);
    }
    if (lua_touserdata(L, lua_upvalueindex(STRUCT)) != view->memory->layout) {
        luaL_error(L, "a view of another struct");
    }
    lua_pushvalue(L, key);
    lipm_view *nested = lua_newuserdatauv(L, sizeof *nested, LIPM_VIEW_VALUES);
    const lipm_names *names = lipm_pushmetatable(L, lua_upvalueindex(STRUCT), type);
    *nested = (lipm_view){&lipm_mark, view->memory, type, offset, names};
    lua_setmetatable(L, -2);
    lua_pushvalue(L, 1);
    lua_setiuservalue(L, -2, LIPM_VIEW_CONTAINER);
    lua_pushvalue(L, -1);
    lua_insert(L, -4);
    lua_rawset(L, -3);
    lua_pop(L, 1);
    return 1;
}

/* Push a part of the view at 1; no other code ran since its memory was found good. */
static int push_part(lua_State *L, int key, const lipm_view *view, const ipm_type *type,
                     uint64_t offset) {
    if (lipm_is_scalar(type)) {
        lipm_pushlive(L, view->memory, type, offset);
        return 1;
    }
    return push_nested(L, key, view, type, offset);
}

/* Return the key on the top and its part. */
static int push_pair(lua_State *L, const lipm_view *view, const ipm_type *type, uint64_t offset) {
    int key = lua_gettop(L);
    check_self(L);
    lua_pushvalue(L, key);
    push_part(L, key, view, type, offset);
    lua_replace(L, key + 1);
    lua_settop(L, key + 1);
    return 2;
}

/* Assign the value at 3 to a part of the view at 1. */
static int set_part(lua_State *L, const lipm_view *view, const ipm_type *type, uint64_t offset) {
    lipm_memory *memory = view->memory;
    lipm_scalar scalar;
    if (!memory->is_writable) {
        return lipm_complain(L, memory, type, offset, "a reader cannot write");
    }
    if (!lipm_is_scalar(type) || offset < memory->reserved) {
        lipm_checkassign(L, 3, memory, type, offset);
        if (!lipm_assign(L, 3, memory, type, offset)) {
            return lipm_complain_access(L, memory, type, offset);
        }
        return 0;
    }
    if (!lipm_toscalar(L, 3, type, &scalar)) {
        return lipm_complain_scalar(L, 3, memory, type, offset);
    }
    unsigned char *at = lipm_change(memory, offset, type->size);
    if (at == NULL) {
        return lipm_complain_access(L, memory, type, offset);
    }
    lipm_storescalar(at, type, &scalar);
    return 0;
}

/* ---- Structs ----------------------------------------------------------------------------- */

/* The fields by the addresses of their names, which the table in a user value keeps alive. In the
 * other is the metatable: what scripts change in that does not come here. */
enum { STRINGS = 1, METATABLE, NAMES_VALUES = METATABLE };

typedef struct name_slot {
    const void *name;
    const ipm_field *field; /* NULL: nothing here, nor what would have been put here */
} name_slot;

struct lipm_names {
    uintptr_t mask; /* the number of slots less one: a power of two, at least half of them empty */
    name_slot slots[];
};

static uintptr_t first_slot(const void *name) {
    return (uintptr_t)name >> 4 ^ (uintptr_t)name >> 12;
}

static void add_name(lipm_names *names, const void *name, const ipm_field *field) {
    uintptr_t i = first_slot(name) & names->mask;
    while (names->slots[i].field != NULL) {
        i = (i + 1) & names->mask;
    }
    names->slots[i] = (name_slot){name, field};
}

/* Push the names of a struct's fields; of none for an array. */
static void push_names(lua_State *L, const ipm_type *type) {
    uint64_t count = type->kind == IPM_STRUCT ? type->count : 0;
    uintptr_t size = 1;
    while (size < count * 2 + 1) {
        size *= 2;
    }
    lipm_names *names =
        lua_newuserdatauv(L, sizeof *names + size * sizeof(name_slot), NAMES_VALUES);
    memset(names, 0, sizeof *names + size * sizeof(name_slot));
    names->mask = size - 1;
    lua_newtable(L);
    for (uint64_t i = 0; i < count; i++) {
        lua_pushstring(L, type->fields[i].name);
        add_name(names, lua_topointer(L, -1), &type->fields[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setiuservalue(L, -2, STRINGS);
}

/* The field named by the key at 2, which is none of those known by address: a long string. */
static const ipm_field *find_long_name(lua_State *L, const ipm_type *type) {
    size_t length;
    if (lua_type(L, 2) != LUA_TSTRING || type->kind != IPM_STRUCT) {
        return NULL;
    }
    const char *name = lua_tolstring(L, 2, &length);
    return ipm_type_field(type, name, length);
}

static inline const ipm_field *find_field(lua_State *L, const lipm_view *view) {
    const lipm_names *names = view->names;
    const void *name = lua_topointer(L, 2);
    for (uintptr_t i = first_slot(name) & names->mask; names->slots[i].field != NULL;
         i = (i + 1) & names->mask) {
        if (names->slots[i].name == name) {
            return names->slots[i].field;
        }
    }
    return find_long_name(L, view->type);
}

/* The field named by the string at 2. */
static inline const ipm_field *check_field(lua_State *L, const lipm_view *view) {
    const ipm_field *field = find_field(L, view);
    if (field == NULL) {
        lipm_complain_key(L, 2, view->memory, view->type, view->offset);
    }
    return field;
}

static int struct_index(lua_State *L) {
    const lipm_view *view = check_self(L);
    const ipm_field *field = check_field(L, view);
    return push_part(L, 2, view, field->type, view->offset + field->offset);
}

static int struct_newindex(lua_State *L) {
    const lipm_view *view = check_self(L);
    const ipm_field *field = check_field(L, view);
    return set_part(L, view, field->type, view->offset + field->offset);
}

/* next(view, name): the next field's name and value, in memory order. */
static int struct_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *view = check_self(L);
    if (view->type->kind != IPM_STRUCT) {
        return luaL_typeerror(L, 1, "view of a struct");
    }
    const ipm_field *field = lua_isnil(L, 2) ? view->type->fields : check_field(L, view) + 1;
    if (field == view->type->fields + view->type->count) {
        return 0;
    }
    lua_pushstring(L, field->name);
    return push_pair(L, view, field->type, view->offset + field->offset);
}

/* ---- Arrays ------------------------------------------------------------------------------ */

static const lipm_view *check_array(lua_State *L) {
    const lipm_view *view = check_self(L);
    if (view->type->kind != IPM_ARRAY) {
        luaL_typeerror(L, 1, "view of an array");
    }
    return view;
}

/* The index at 2, from 1; 0 if it is not a whole number. */
static uint64_t to_index(lua_State *L) {
    int is_whole;
    lua_Integer index = lua_tointegerx(L, 2, &is_whole);
    return is_whole && lua_type(L, 2) == LUA_TNUMBER && index > 0 ? (uint64_t)index : 0;
}

/* One past the end is nil, where ipairs ends. */
static int array_index(lua_State *L) {
    const lipm_view *view = check_array(L);
    const ipm_type *type = view->type;
    uint64_t index = to_index(L);
    if (index - 1 >= type->count) {
        if (index == type->count + 1) {
            lua_pushnil(L);
            return 1;
        }
        return lipm_complain_key(L, 2, view->memory, type, view->offset);
    }
    return push_part(L, 2, view, type->element, view->offset + (index - 1) * type->element->size);
}

static int array_newindex(lua_State *L) {
    const lipm_view *view = check_array(L);
    const ipm_type *type = view->type;
    uint64_t index = to_index(L);
    if (index - 1 >= type->count) {
        return lipm_complain_key(L, 2, view->memory, type, view->offset);
    }
    return set_part(L, view, type->element, view->offset + (index - 1) * type->element->size);
}

static int array_next(lua_State *L) {
    lua_settop(L, 2);
    const lipm_view *view = check_array(L);
    const ipm_type *type = view->type;
    uint64_t index = lua_isnil(L, 2) ? 0 : to_index(L);
    if (index >= type->count) {
        return 0;
    }
    lua_pushinteger(L, (lua_Integer)index + 1);
    return push_pair(L, view, type->element, view->offset + index * type->element->size);
}

static int array_len(lua_State *L) {
    lua_pushinteger(L, (lua_Integer)check_array(L)->type->count);
    return 1;
}

/* ---- Both -------------------------------------------------------------------------------- */

static int view_pairs(lua_State *L) {
    check_self(L);
    lua_getmetatable(L, 1);
    lua_getfield(L, -1, "next");
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* "DemoMmapStructure.data_xy (Point2D): 0x55d0c2a4f2a8"; works whether locked or not. */
static int view_tostring(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    const lipm_memory *memory = view->memory;
    lipm_pushpath(L, memory, view->type, view->offset);
    if (memory->layout->layout != NULL && view->type != memory->type) {
        lua_pushfstring(L, " (%s): %p", view->type->name, (const void *)view);
    } else {
        lua_pushfstring(L, ": %p", (const void *)view);
    }
    lua_concat(L, 2);
    return 1;
}

static const luaL_Reg struct_metamethods[] = {
    {"__index", struct_index}, {"__newindex", struct_newindex}, {"__pairs", view_pairs},
    {"next", struct_next},     {"__tostring", view_tostring},   {NULL, NULL},
};

static const luaL_Reg array_metamethods[] = {
    {"__index", array_index},
    {"__newindex", array_newindex},
    {"__pairs", view_pairs},
    {"next", array_next},
    {"__tostring", view_tostring},
    {"__len", array_len},
    {NULL, NULL},
};

static const luaL_Reg root_metamethods[] = {
    {"__close", lipm_root_close},
    {"__gc", lipm_root_collect},
    {NULL, NULL},
};

static void push_new_metatable(lua_State *L, int owner, const ipm_type *type, bool is_root) {
    bool is_struct = type->kind == IPM_STRUCT;
    lua_newtable(L);
    lua_pushstring(L, type->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &lipm_mark);
    lua_pushvalue(L, owner);
    luaL_setfuncs(L, is_struct ? struct_metamethods : array_metamethods, UPVALUES);
    if (is_root) {
        luaL_setfuncs(L, root_metamethods, 0);
    }
}

/* The Struct at `owner` remembers the names, and they the metatable, under `key`. */
static const lipm_names *push_metatable(lua_State *L, int owner, const ipm_type *type,
                                        const void *key, bool is_root) {
    lua_getiuservalue(L, owner, LIPM_STRUCT_METATABLES);
    if (lua_rawgetp(L, -1, key) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        push_names(L, type);
        push_new_metatable(L, owner, type, is_root);
        lua_setiuservalue(L, -2, METATABLE);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, -3, key);
    }
    const lipm_names *names = lua_touserdata(L, -1);
    lua_getiuservalue(L, -1, METATABLE);
    lua_replace(L, -3);
    lua_pop(L, 1);
    return names;
}

const lipm_names *lipm_pushmetatable(lua_State *L, int owner, const ipm_type *type) {
    return push_metatable(L, owner, type, type, false);
}

const lipm_names *lipm_pushrootmetatable(lua_State *L, int owner, lipm_layout *layout) {
    return push_metatable(L, owner, ipm_layout_type(layout->layout), layout, true);
}
