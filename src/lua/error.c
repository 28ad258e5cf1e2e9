#include "error.h"

#include "../core/difference.h"
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
        if (view != NULL && view->place.memory->layout->layout != NULL)
            lua_pushfstring(L, "a %s", view->place.type->name);
        else
            lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

/* Append the name of the part of a struct or array that contains the byte at *offset, and return
 * the part's type. *offset becomes the byte's offset in that part. */
static const ipm_type *descend(luaL_Buffer *buffer, const ipm_type *type, uint64_t *offset) {
    if (type->kind == IPM_ARRAY) {
        char index[32];
        snprintf(index, sizeof index, "[%llu]",
                 (unsigned long long)(*offset / type->element->size + 1));
        luaL_addstring(buffer, index);
        *offset %= type->element->size;
        return type->element;
    }
    const ipm_field *field = type->fields;
    for (uint64_t i = 1; i < type->count && type->fields[i].offset <= *offset; i++)
        field = &type->fields[i];
    luaL_addchar(buffer, '.');
    luaL_addstring(buffer, field->name);
    *offset -= field->offset;
    return field->type;
}

/* No type contains itself, so the first part that has the place's type and offset is the place. */
void lipm_pushpath(lua_State *L, const lipm_place *place) {
    const lipm_memory *memory = place->memory;
    const ipm_type *type = place->type;
    uint64_t offset = place->offset;
    if (memory->layout->layout == NULL) {
        lua_pushliteral(L, "?");
        return;
    }
    const ipm_type *at = memory->type;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addstring(&buffer, at->name);
    if (at->kind == IPM_ARRAY && at != type)
        luaL_addchar(&buffer, ' ');
    while (!lipm_is_scalar(at) && (at != type || offset != 0))
        at = descend(&buffer, at, &offset);
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
