/***
The raw bytes of views and values. C programs read the same memory, so setbytes refuses a bool that
is neither 0 nor 1, and text that is not filled with zeros.
@submodule ipmmap
*/
#include "../core/word.h"
#include "error.h"
#include "functions.h"
#include "list.h"
#include "span.h"
#include "utf.h"
#include "view.h"

#include <lauxlib.h>
#include <string.h>

/***
The raw bytes of a view or value as they lie in memory, in native byte order and with padding; or
those of some elements of an array.
@function bytes
@tparam view|value v
@tparam[opt=1] integer i the index of the first element, if `v` is an array
@tparam[opt] integer j the index of the last element; by default that of the array's last one. If it
is `i` - 1, there are no bytes
@treturn string as many bytes as `v`, or that part of it, has
@raise an error if `v` is neither a view nor a value, or if it is a view whose lock was released; if
an index is given and `v` is a struct, or the index is out of range
*/
int lipm_bytes(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    lipm_span range = lipm_checkspan(L, 2, &view->place);
    luaL_Buffer buffer;
    char *into = luaL_buffinitsize(L, &buffer, range.size);
    const unsigned char *base = lipm_base(view->place.memory);
    if (base == NULL)
        return lipm_complain_access(L, &view->place);
    ipm_copy_from_shared(into, base + range.offset, range.size);
    luaL_pushresultsize(&buffer, range.size);
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

/* The range that `size` bytes go to: the whole, or elements of an array from the index at `index`
 * on. Raises if the number of bytes is wrong. */
static lipm_span check_target(lua_State *L, int index, const lipm_place *place, size_t size) {
    if (lua_isnoneornil(L, index)) {
        if (size != place->type->size) {
            lipm_complain(L, place, "%I bytes given, %s has %I", (lua_Integer)size,
                          place->type->name, (lua_Integer)place->type->size);
        }
        return (lipm_span){place->offset, size, 0, place->type->count};
    }
    lua_settop(L, index);
    lipm_span rest = lipm_checkspan(L, index, place);
    uint64_t element = place->type->element->size;
    if (size % element != 0) {
        lipm_complain(L, place, "%I bytes given, which are no whole number of elements of %I bytes",
                      (lua_Integer)size, (lua_Integer)element);
    }
    if (size > rest.size) {
        lipm_complain(L, place, "%I elements given from index %I on, %s has %I",
                      (lua_Integer)(size / element), (lua_Integer)rest.first + 1, place->type->name,
                      (lua_Integer)place->type->count);
    }
    rest.size = size;
    rest.count = size / element;
    return rest;
}

/* Raise if bytes for a range are no values of its type. */
static void check_span(lua_State *L, const lipm_place *place, const lipm_span *range,
                       const unsigned char *bytes) {
    if (range->size == place->type->size) {
        check_raw(L, place, bytes);
        return;
    }
    for (uint64_t i = 0; i < range->count && is_particular(place->type->element); i++) {
        lipm_place part = lipm_elementplace(place, range->first + i);
        check_raw(L, &part, bytes + (part.offset - range->offset));
    }
}

/***
Set the raw bytes of a view or value, or of some elements of an array.
@function setbytes
@tparam view|value v the view or value to overwrite
@tparam string bytes exactly as many bytes as `v` has; with an index, those of any number of whole
elements. Each bool is 0 or 1. Only zeros follow the first NUL of a text. If `v` is the view of a
whole segment, the bytes begin with the segment's header as it is, because only creation, `touch`
and `clear` set it. Limits are not checked: see `check`
@tparam[opt] integer i the index of the first element to overwrite, if `v` is an array
@raise an error if the number of bytes is wrong, the header differs, or a bool, a text or the count
of a list is invalid; if the index is out of range, the elements do not fit, or `v` is a struct; if
`v` is a reader's view, or a view whose lock was released
*/
int lipm_setbytes(lua_State *L) {
    const lipm_view *view = lipm_checkview(L, 1);
    lipm_memory *memory = view->place.memory;
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
    lipm_span range = check_target(L, 3, &view->place, size);
    uint64_t offset = range.offset;
    if (offset < memory->reserved) {
        kept = memory->reserved - offset < size ? (size_t)(memory->reserved - offset) : size;
        if (memcmp(bytes, base + offset, kept) != 0) {
            return lipm_complain(L, &view->place,
                                 "the header is set only by creation, touch and clear");
        }
    }
    check_span(L, &view->place, &range, (const unsigned char *)bytes);
    if (size == kept)
        return 0;
    unsigned char *at = lipm_change(memory, offset + kept, size - kept);
    if (at == NULL)
        return lipm_complain_access(L, &view->place);
    ipm_copy_to_shared(at, bytes + kept, size - kept);
    return 0;
}

/***
The address of a view's or value's bytes, for a C function of the host. The bytes lie in memory as
`bytes` gives them.

The address of a view is valid until its lock is released, and that of a value as long as the
program keeps the value, or a view of a part of it. Nothing checks what a C function does there. It
may write to all bytes of an editor's view, except the segment's header: they are prepared, so a
roll back restores them. The memory of a reader's view is read-only, and a write to it ends the
process. The value of a feed must not be changed.
@function pointer
@tparam view|value v
@treturn userdata a light userdata; in LuaJIT a `void *`
@treturn integer the number of bytes
@raise an error if `v` is neither a view nor a value, or if it is a view whose lock was released
*/
int lipm_pointer(lua_State *L) {
    const lipm_place *place = &lipm_checkview(L, 1)->place;
    lipm_memory *memory = place->memory;
    unsigned char *base = lipm_base(memory);
    if (base == NULL)
        return lipm_complain_access(L, place);
    uint64_t from = place->offset < memory->reserved ? memory->reserved : place->offset;
    uint64_t end = place->offset + place->type->size;
    if (memory->is_writable && end > from && lipm_change(memory, from, end - from) == NULL)
        return lipm_complain_access(L, place);
    lua_pushlightuserdata(L, base + place->offset);
    lua_pushinteger(L, (lua_Integer)place->type->size);
    return 2;
}
