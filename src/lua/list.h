/*
 * Lists and optional parts in memory. Another process may change a count or a presence at any time:
 * each access loads it once, checks it, and uses what it has checked.
 */
#ifndef LIPM_LIST_H
#define LIPM_LIST_H

#include "../core/word.h"
#include "memory.h"

#include <lua.h>

/* The number of elements of the list at `at`, which may be more than it holds. */
static inline uint32_t lipm_loadcount(const unsigned char *at) {
    return ipm_load_u32(at);
}

/* Raise an error object of the code "corrupt": the file has a count that is too large. */
IPM_COLD _Noreturn int lipm_complain_count(lua_State *L, const lipm_place *list, uint32_t count);

/* The number of elements of the list. Its memory must be accessible. */
static inline uint32_t lipm_checkcount(lua_State *L, const lipm_place *list) {
    uint32_t count = lipm_loadcount(list->memory->base + list->offset);
    if (count > list->type->count)
        lipm_complain_count(L, list, count);
    return count;
}

/* Whether the optional part at `at` has a value. */
static inline bool lipm_is_present(const unsigned char *at) {
    return ipm_load_u8(at) != 0;
}

/* Raise: the list at `list` is full. */
IPM_COLD _Noreturn int lipm_complain_full(lua_State *L, const lipm_place *list);

/* Raise: there is no element with the index, from 1, in the list of `count` elements. */
IPM_COLD _Noreturn int lipm_complain_index(lua_State *L, const lipm_place *list, uint64_t index,
                                           uint64_t count);

#endif
