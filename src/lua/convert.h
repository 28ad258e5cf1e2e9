/*
 * What became of the fields of a struct whose layout has changed.
 */
#ifndef LIPM_CONVERT_H
#define LIPM_CONVERT_H

#include "handle.h"

/* Push { kept = paths, added = paths, dropped = paths }. The report is the handle's, which may be
 * closed meanwhile and then raises; or, without a handle, nobody else frees it. */
void lipm_pushmigration(lua_State *L, const ipm_migration *migration, const lipm_handle *handle);

#endif
