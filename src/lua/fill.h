/*
 * The bytes that parts have before a program assigns to them: the defaults of their fields, or
 * zero.
 */
#ifndef LIPM_FILL_H
#define LIPM_FILL_H

#include "../core/initial.h"
#include "memory.h"

/* Whether lipm_fill stores anything but zero. */
bool lipm_has_initial(const lipm_place *place);

/* Store `size` first bytes of the part at the place, from the offset `from` in it, at `into`. For
 * an array, `from` is that of an element. */
void lipm_fill(const lipm_place *place, uint64_t from, uint64_t size, unsigned char *into);

#endif
