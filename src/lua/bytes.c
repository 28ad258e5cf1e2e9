/***
The raw bytes of views and values. C programs read the same memory, so setbytes refuses a bool that
is neither 0 nor 1, and text that is not filled with zeros.
@submodule ipmmap
*/
#include "../core/word.h"
#include "error.h"
#include "functions.h"
#include "list.h"
#include "utf.h"
#include "view.h"

#include <lauxlib.h>
#include <string.h>

/***
The raw bytes of a view or value as they lie in memory, in native byte order and with padding.
@function bytes
@tparam view|value v
@treturn string as many bytes as `v` has
@raise an error if `v` is neither a view nor a value, or if it is a view whose lock was released
*/
int lipm_bytes(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    luaL_Buffer buffer;
    if (lipm_base(view->place.memory) == NULL)
        return lipm_complain_access(L, &view->place);
    size_t size = view->place.type->size;
    char *into = luaL_buffinitsize(L, &buffer, size);
    const unsigned char *base = lipm_base(view->place.memory);
    if (base == NULL)
        return lipm_complain_access(L, &view->place);
    ipm_copy_from_shared(into, base + view->place.offset, size);
    luaL_pushresultsize(&buffer, size);
    return 1;
}

/* Whether some bytes are no value of the type. */
static bool is_particular(const ipm_type *type) {
    if (type->kind == IPM_ARRAY)
        return is_particular(type->element);
    for (uint64_t i = 0; type->kind == IPM_STRUCT && i < type->count; i++)
        if (is_particular(type->fields[i].type))
            return true;
    return type->kind == IPM_BOOL || type->kind >= IPM_CHAR;
}

static bool is_zero_filled(const ipm_type *type, const unsigned char *text) {
    size_t length = type->kind == IPM_CHAR ? strnlen((const char *)text, type->size)
                                           : lipm_utflength(type->kind, text, type->size);
    size_t rest = type->size - length;
    return rest == 0 ||
           (text[length] == 0 && memcmp(text + length, text + length + 1, rest - 1) == 0);
}

static void check_raw(lua_State *L, const lipm_place *place, const unsigned char *bytes);

/* Check the first `count` elements of an array or list, or the value of an optional part. */
static void check_raw_elements(lua_State *L, const lipm_place *place, const unsigned char *bytes,
                               uint64_t count) {
    for (uint64_t i = 0; i < count && is_particular(place->type->element); i++) {
        lipm_place part = lipm_elementplace(place, i);
        check_raw(L, &part, bytes + (part.offset - place->offset));
    }
}

static void check_raw_fields(lua_State *L, const lipm_place *place, const unsigned char *bytes) {
    for (uint64_t i = 0; i < place->type->count; i++) {
        lipm_place part = lipm_fieldplace(place, &place->type->fields[i]);
        check_raw(L, &part, bytes + (part.offset - place->offset));
    }
}

/* Raise if the bytes are no value of the place's type. */
static void check_raw(lua_State *L, const lipm_place *place, const unsigned char *bytes) {
    const ipm_type *type = place->type;
    bool is_bool = type->kind == IPM_BOOL || type->kind == IPM_OPTIONAL;
    if (is_bool && *bytes > 1)
        lipm_complain(L, place, "the byte %d is not a bool, which is 0 or 1", (int)*bytes);
    if (lipm_is_text(type) && !is_zero_filled(type, bytes))
        lipm_complain(L, place,
                      "there are bytes after the NUL that ends the text, and %s is zero-filled",
                      type->name);
    if (type->kind == IPM_LIST && lipm_loadcount(bytes) > type->count)
        lipm_complain(L, place, "%I elements are more than its %I",
                      (lua_Integer)lipm_loadcount(bytes), (lua_Integer)type->count);
    if (type->kind == IPM_STRUCT)
        check_raw_fields(L, place, bytes);
    else if (type->kind == IPM_LIST)
        check_raw_elements(L, place, bytes, lipm_loadcount(bytes));
    else if (type->kind == IPM_OPTIONAL)
        check_raw_elements(L, place, bytes, *bytes);
    else if (type->kind == IPM_ARRAY)
        check_raw_elements(L, place, bytes, type->count);
}

/***
Set the raw bytes of a view or value.
@function setbytes
@tparam view|value v the view or value to overwrite
@tparam string bytes exactly as many bytes as `v` has. Each bool is 0 or 1. Only zeros follow the
first NUL of a text. If `v` is the view of a whole segment, the bytes begin with the segment's
header as it is, because only creation, `touch` and `clear` set it. Limits are not checked: see
`check`
@raise an error if the number of bytes is wrong, the header differs, or a bool, a text or the count
of a list is invalid; if `v` is a reader's view, or a view whose lock was released
*/
int lipm_setbytes(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    lipm_memory *memory = view->place.memory;
    uint64_t offset = view->place.offset;
    size_t size, kept = 0;
    if (lua_type(L, 2) != LUA_TSTRING) {
        lipm_pushshown(L, 2);
        return lipm_complain(L, &view->place, "%s is not a string of bytes", lua_tostring(L, -1));
    }
    const char *bytes = lua_tolstring(L, 2, &size);
    const unsigned char *base = lipm_base(memory);
    if (base == NULL)
        return lipm_complain_access(L, &view->place);
    if (!memory->is_writable)
        return lipm_complain_write(L, &view->place);
    if (size != view->place.type->size) {
        return lipm_complain(L, &view->place, "%I bytes given, %s has %I", (lua_Integer)size,
                             view->place.type->name, (lua_Integer)view->place.type->size);
    }
    if (offset < memory->reserved) {
        kept = memory->reserved - offset < size ? (size_t)(memory->reserved - offset) : size;
        if (memcmp(bytes, base + offset, kept) != 0) {
            return lipm_complain(L, &view->place,
                                 "the header is set only by creation, touch and clear");
        }
    }
    check_raw(L, &view->place, (const unsigned char *)bytes);
    if (size == kept)
        return 0;
    unsigned char *at = lipm_change(memory, offset + kept, size - kept);
    if (at == NULL)
        return lipm_complain_access(L, &view->place);
    ipm_copy_to_shared(at, bytes + kept, size - kept);
    return 0;
}
