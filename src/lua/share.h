/*
 * Where a segment that several machines have may be written.
 */
#ifndef LIPM_SHARE_H
#define LIPM_SHARE_H

#include "../ipmmap.h"

#include <lua.h>

/* Push the table that Handle:share returns. */
void lipm_pushshare(lua_State *L, const ipm_share *share);

#endif
