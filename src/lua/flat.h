/*
 * Drafts of scalars alone, and lists of scalars that stand for structs and for arrays of arrays.
 */
#ifndef LIPM_FLAT_H
#define LIPM_FLAT_H

#include "draft.h"

/* Add a piece for a scalar alone. Raises if the value at `index` does not fit it. */
void lipm_draftscalar(lipm_draft *draft, int index, const lipm_place *place);

/* Add a piece for the elements of an array from `first` on, from 0: their defaults, or zeros. */
void lipm_draftrest(lipm_draft *draft, const lipm_place *place, uint64_t first);

/* The first index that the table at `index` does not have. */
lua_Integer lipm_firstmissing(lua_State *L, int index);

/* Draft the table at `index`, whose key at `key` is no field's name of the struct. Raises unless
 * the table is a list that stands for the struct, whose fields are all of one scalar type. */
IPM_COLD void lipm_draftvector(lipm_draft *draft, int index, int key, const lipm_place *place);

/* Whether the table at `index` is a flat list for an array of arrays. */
bool lipm_is_flat(lua_State *L, int index, const ipm_type *type);

/* Draft such a list, which sets the innermost elements in memory order. */
void lipm_draftflat(lipm_draft *draft, int index, const lipm_place *place);

#endif
