/*
 * A lower bound for turning 1,000 structs of 6 fields into tables, and tables into structs: a loop
 * in C over the structs, with a line for each field. It checks nothing.
 */
#include <lauxlib.h>
#include <lua.h>
#include <stdint.h>

#define COUNT 1000

typedef struct entity {
    int32_t id;
    int32_t health;
    double x;
    double y;
    double angle;
    int64_t score;
} entity;

static entity entities[COUNT];

static int totable(lua_State *L) {
    lua_createtable(L, COUNT, 0);
    for (int i = 0; i < COUNT; i++) {
        const entity *e = &entities[i];
        lua_createtable(L, 0, 6);
        lua_pushinteger(L, e->id);
        lua_setfield(L, -2, "id");
        lua_pushinteger(L, e->health);
        lua_setfield(L, -2, "health");
        lua_pushnumber(L, e->x);
        lua_setfield(L, -2, "x");
        lua_pushnumber(L, e->y);
        lua_setfield(L, -2, "y");
        lua_pushnumber(L, e->angle);
        lua_setfield(L, -2, "angle");
        lua_pushinteger(L, e->score);
        lua_setfield(L, -2, "score");
        lua_rawseti(L, -2, i + 1);
    }
    return 1;
}

static int assign(lua_State *L) {
    for (int i = 0; i < COUNT; i++) {
        entity *e = &entities[i];
        lua_rawgeti(L, 1, i + 1);
        lua_getfield(L, 2, "id");
        lua_getfield(L, 2, "health");
        lua_getfield(L, 2, "x");
        lua_getfield(L, 2, "y");
        lua_getfield(L, 2, "angle");
        lua_getfield(L, 2, "score");
        e->id = (int32_t)lua_tointeger(L, 3);
        e->health = (int32_t)lua_tointeger(L, 4);
        e->x = lua_tonumber(L, 5);
        e->y = lua_tonumber(L, 6);
        e->angle = lua_tonumber(L, 7);
        e->score = lua_tointeger(L, 8);
        lua_settop(L, 1);
    }
    return 0;
}

int luaopen_loop(lua_State *L);

int luaopen_loop(lua_State *L) {
    lua_createtable(L, 0, 2);
    lua_pushcfunction(L, totable);
    lua_setfield(L, -2, "totable");
    lua_pushcfunction(L, assign);
    lua_setfield(L, -2, "assign");
    return 1;
}
