#include "error.h"

#include "view.h"

#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ERROR "ipmmap.error"
#define SHOWN_BYTES 40

int lipm_raise(lua_State *L, const ipm_error *error) {
    if (error->code == IPM_EINVALID)
        return luaL_error(L, "%s", error->text);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, ipm_code_name(error->code));
    lua_setfield(L, -2, "code");
    lua_pushstring(L, error->text);
    lua_setfield(L, -2, "message");
    luaL_where(L, 1);
    lua_setfield(L, -2, "where");
    luaL_setmetatable(L, ERROR);
    return lua_error(L);
}

int lipm_fail(lua_State *L, const ipm_error *error) {
    if (error->code == IPM_EINVALID)
        return lipm_raise(L, error);
    luaL_pushfail(L);
    lua_pushstring(L, error->text);
    lua_pushstring(L, ipm_code_name(error->code));
    return 3;
}

/* ---- Parts of messages ------------------------------------------------------------------- */

static void show_string(lua_State *L, const char *text, size_t length) {
    size_t shown = length <= SHOWN_BYTES ? length : SHOWN_BYTES;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addchar(&buffer, '\'');
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c < ' ' || c == 0x7f) {
            char escape[5];
            snprintf(escape, sizeof escape, "\\x%02X", c);
            luaL_addstring(&buffer, escape);
        } else {
            luaL_addchar(&buffer, (char)c);
        }
    }
    luaL_addstring(&buffer, shown < length ? "...'" : "'");
    luaL_pushresult(&buffer);
}

/* The name of an object's class, as "ipmmap.editor", or else of its type. */
static void push_type_name(lua_State *L, int index) {
    index = lua_absindex(L, index);
    if (lua_type(L, index) == LUA_TUSERDATA && lua_getmetatable(L, index)) {
        lua_pushliteral(L, "__name");
        bool is_named = lua_rawget(L, -2) == LUA_TSTRING;
        lua_remove(L, -2);
        if (is_named)
            return;
        lua_pop(L, 1);
    }
    lua_pushstring(L, luaL_typename(L, index));
}

void lipm_pushshown(lua_State *L, int index) {
    const lipm_view *view;
    size_t length;
    const char *text;
    switch (lua_type(L, index)) {
    case LUA_TNONE:
    case LUA_TNIL:
        lua_pushliteral(L, "nil");
        break;
    case LUA_TBOOLEAN:
        lua_pushstring(L, lua_toboolean(L, index) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        lua_pushvalue(L, index);
        lua_tolstring(L, -1, NULL);
        break;
    case LUA_TSTRING:
        text = lua_tolstring(L, index, &length);
        show_string(L, text, length);
        break;
    default:
        view = lipm_testview(L, index);
        if (view != NULL && view->place.memory->layout->layout != NULL) {
            lua_pushfstring(L, "a %s", view->place.type->name);
        } else {
            push_type_name(L, index);
            text = lua_tostring(L, -1);
            lua_pushfstring(L, "%s %s", *text == 'i' ? "an" : "a", text);
            lua_remove(L, -2);
        }
    }
}

static void add_part(luaL_Buffer *buffer, const lipm_step *step, bool is_first) {
    if (step->field == NULL) {
        char index[32];
        snprintf(index, sizeof index, "[%llu]", (unsigned long long)step->index + 1);
        luaL_addstring(buffer, index);
    } else {
        if (!is_first)
            luaL_addchar(buffer, '.');
        luaL_addstring(buffer, step->field->name);
    }
}

/* No type contains itself, so the first part that has the place's type and offset is the place. */
static void add_path(luaL_Buffer *buffer, const lipm_place *place, bool is_first) {
    const ipm_type *at = place->memory->type;
    uint64_t offset = place->offset;
    while (!lipm_is_scalar(at) && (at != place->type || offset != 0)) {
        lipm_step step = lipm_descend(at, offset);
        add_part(buffer, &step, is_first);
        at = step.type;
        offset -= step.offset;
        is_first = false;
    }
}

void lipm_pushpath(lua_State *L, const lipm_place *place) {
    const lipm_memory *memory = place->memory;
    if (memory->layout->layout == NULL) {
        lua_pushliteral(L, "?");
        return;
    }
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, memory->type->name);
    if (memory->type->kind == IPM_ARRAY && memory->type != place->type)
        luaL_addchar(&buffer, ' ');
    add_path(&buffer, place, false);
    luaL_pushresult(&buffer);
}

void lipm_pushfieldpath(lua_State *L, const lipm_place *place) {
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    add_path(&buffer, place, true);
    luaL_pushresult(&buffer);
}

const char *lipm_pushdifference(lua_State *L, const ipm_type *given, const ipm_type *here) {
    ipm_error error;
    if (strcmp(given->name, here->name) != 0 ||
        ipm_type_compare(here, "here", given, "given", IPM_BY_PATH, &error) == IPM_OK)
        return lua_pushliteral(L, "");
    return lua_pushfstring(L, ": %s", error.text);
}

/* ---- Complaints -------------------------------------------------------------------------- */

int lipm_complain(lua_State *L, const lipm_place *place, const char *format, ...) {
    va_list arguments;
    luaL_where(L, 1);
    lipm_pushpath(L, place);
    lua_pushliteral(L, ": ");
    va_start(arguments, format);
    lua_pushvfstring(L, format, arguments);
    va_end(arguments);
    lua_concat(L, 4);
    lua_error(L);
    abort(); /* not reached: lua_error raises */
}

int lipm_complain_access(lua_State *L, const lipm_place *place) {
    const lipm_memory *memory = place->memory;
    if (!memory->is_live && memory->base == NULL)
        lipm_complain(L, place,
                      "value used after its feed was closed or got a value of another layout");
    if (!memory->is_live)
        luaL_error(L, "value used after its struct was collected");
    if (*memory->watched != memory->expected) {
        ipm_error error = {.code = IPM_EFORKED};
        snprintf(error.text, sizeof error.text,
                 "view used after a fork: its handle was opened by the parent");
        lipm_raise(L, &error);
    }
    lipm_complain(L, place, "view used after its lock was released");
}

int lipm_complain_write(lua_State *L, const lipm_place *place) {
    lipm_complain(L, place,
                  place->memory->is_live
                      ? "a reader cannot write"
                      : "a feed's value cannot be written: copy it by S:new(value)");
}

int lipm_complain_key(lua_State *L, int key, const lipm_place *place) {
    lipm_pushshown(L, key);
    const char *shown = lua_tostring(L, -1);
    if (place->type->kind == IPM_STRUCT)
        lipm_complain(L, place, "no field %s", shown);
    if (!lua_isinteger(L, key))
        lipm_complain(L, place, "%s is not an index", shown);
    lipm_complain(L, place, "index %s is out of range (1 to %I)", shown,
                  (lua_Integer)place->type->count);
}

/* ---- The metatable ----------------------------------------------------------------------- */

static int error_tostring(lua_State *L) {
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "where");
    lua_getfield(L, 1, "message");
    lua_concat(L, 2);
    return 1;
}

void lipm_open_error(lua_State *L) {
    luaL_newmetatable(L, ERROR);
    lua_pushcfunction(L, error_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pop(L, 1);
}
