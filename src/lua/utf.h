/*
 * UTF-16 and UTF-32 text in memory, and UTF-8 in Lua. `kind` is IPM_CHAR16 or IPM_CHAR32.
 */
#ifndef LIPM_UTF_H
#define LIPM_UTF_H

#include "../core/utf.h"

#include <lua.h>

/* Push the text in `size` bytes, up to its first zero unit. No other thread changes them. */
void lipm_pushutf(lua_State *L, ipm_kind kind, const void *units, size_t size);

/* The number of bytes before the first zero unit. Other processes may change them meanwhile. */
size_t lipm_utflength(ipm_kind kind, const void *units, size_t size);

/* Find how many bytes a text takes in memory. returns  false: it is not UTF-8 */
bool lipm_measureutf(ipm_kind kind, const char *text, size_t length, size_t *size);

/* Store a text that was measured. */
void lipm_storeutf(void *at, ipm_kind kind, const char *text, size_t length);

#endif
