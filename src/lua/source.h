/*
 * Views and values as the source of an assignment.
 */
#ifndef LIPM_SOURCE_H
#define LIPM_SOURCE_H

#include "draft.h"
#include "view.h"

/* Whether a value of the type `given` can be assigned to one of the type `here`: `here` has each
 * field of `given`, by path, with the same type. */
bool lipm_fits(const ipm_type *given, const ipm_type *here);

/* Raise if the view or value at `index` cannot be assigned to the place now. */
void lipm_checksource(lua_State *L, int index, const lipm_view *source, const lipm_place *place);

/* Whether bytes of the type have to be checked before they are copied: the type has limits or
 * lists. */
bool lipm_needscheck(const ipm_type *type);

/* Draft a copy of the view or value at `index`. Raises if it cannot be assigned to the place. */
void lipm_draftsource(lipm_draft *draft, int index, const lipm_view *source,
                      const lipm_place *place);

/* Copy a view or value that lipm_checksource has accepted. returns  false: the memory cannot be
 * changed, or the source is no longer accessible; a part may have been stored */
bool lipm_copysource(const lipm_view *source, const lipm_place *place);

/*
 * Copy the struct or array at `from` to a place. Where their layouts differ, only the fields that
 * both have are copied. One of the two types fits the other.
 * returns  false: the memory cannot be changed now
 */
bool lipm_copyfields(const lipm_place *place, const ipm_type *type, const unsigned char *from);

#endif
