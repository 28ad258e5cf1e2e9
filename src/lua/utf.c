#include "utf.h"

#include "../core/word.h"

#include <lauxlib.h>

/* Text is converted in portions of this many units. */
#define PORTION 128

static bool is_zero_unit(ipm_kind kind, const void *unit) {
    return kind == IPM_CHAR16 ? ipm_load_u16(unit) == 0 : ipm_load_u32(unit) == 0;
}

size_t lipm_utflength(ipm_kind kind, const void *units, size_t size) {
    size_t unit = ipm_unit_size(kind), length = 0;
    while (length < size && !is_zero_unit(kind, (const char *)units + length))
        length += unit;
    return length;
}

void lipm_pushutf(lua_State *L, ipm_kind kind, const void *units, size_t size) {
    size_t unit = ipm_unit_size(kind);
    size_t count = lipm_utflength(kind, units, size) / unit;
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    for (size_t at = 0; at < count;) {
        size_t length;
        char *utf8 = luaL_prepbuffsize(&buffer, 4);
        at += ipm_utf_decode(kind, (const char *)units + at * unit, count - at, utf8, &length);
        luaL_addsize(&buffer, length);
    }
    luaL_pushresult(&buffer);
}

bool lipm_measureutf(ipm_kind kind, const char *text, size_t length, size_t *size) {
    size_t count = ipm_utf_encode(kind, text, length, NULL, 0);
    *size = count * ipm_unit_size(kind);
    return count != SIZE_MAX;
}

void lipm_storeutf(void *at, ipm_kind kind, const char *text, size_t length) {
    unsigned char portion[PORTION * sizeof(uint32_t)];
    unsigned char *to = at;
    while (length > 0) {
        size_t part = length < PORTION ? length : PORTION;
        while (part < length && (text[part] & 0xc0) == 0x80)
            part--;
        size_t count = ipm_utf_encode(kind, text, part, portion, PORTION);
        ipm_copy_to_shared(to, portion, count * ipm_unit_size(kind));
        to += count * ipm_unit_size(kind);
        text += part;
        length -= part;
    }
}
