/*
 * A lower bound for the binding. A userdata with named fields does the least that it can: it looks
 * the name up in a table, and loads or stores an integer. It checks neither its userdata nor the
 * value's range. A method that returns an object to be closed also does the least: nothing else.
 */
#include "object.h"

#include <stddef.h>
#include <stdint.h>

typedef struct plain {
    int32_t data_int;
    int32_t other;
} plain;

static char *field(lua_State *L) {
    lua_pushvalue(L, 2);
    lua_rawget(L, lua_upvalueindex(1));
    return (char *)lua_touserdata(L, 1) + lua_tointeger(L, -1);
}

static int get(lua_State *L) {
    lua_pushinteger(L, *(int32_t *)(void *)field(L));
    return 1;
}

static int set(lua_State *L) {
    *(int32_t *)(void *)field(L) = (int32_t)lua_tointeger(L, 3);
    return 0;
}

static int close(lua_State *L) {
    (void)L;
    return 0;
}

static int lock(lua_State *L) {
    lua_getiuservalue(L, 1, 1);
    return 1;
}

static int create(lua_State *L) {
    plain *p = lua_newuserdatauv(L, sizeof *p, 0);
    *p = (plain){0};
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, offsetof(plain, data_int));
    lua_setfield(L, -2, "data_int");
    lua_pushinteger(L, offsetof(plain, other));
    lua_setfield(L, -2, "other");
    push_metatable(L, get, set, close);
    lua_setmetatable(L, -2);
    return 1;
}

/* handle(object): its method lock() returns the object */
static int handle(lua_State *L) {
    push_handle(L, 1, lock);
    return 1;
}

int luaopen_minimal(lua_State *L);

int luaopen_minimal(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, create);
    lua_setfield(L, -2, "new");
    lua_pushcfunction(L, handle);
    lua_setfield(L, -2, "handle");
    return 1;
}
