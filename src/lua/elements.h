/*
 * The metamethods of views of lists: v[i], v[#v + 1] = x, v[#v] = nil, #v, pairs.
 *
 * The view of an element stays usable when the list has become shorter. It then shows the bytes
 * that the element had, or that another element has got there since.
 */
#ifndef LIPM_ELEMENTS_H
#define LIPM_ELEMENTS_H

#include <lauxlib.h>

extern const luaL_Reg lipm_list_metamethods[];

#endif
