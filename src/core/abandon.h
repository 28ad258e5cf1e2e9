/*
 * A thread that ends while it holds a segment's lock: what the handle's user, such as the Lua
 * binding, has to know of it.
 */
#ifndef IPM_CORE_ABANDON_H
#define IPM_CORE_ABANDON_H

#include "../ipmmap.h"

/*
 * Where the user keeps the address of the struct while the handle is locked. Becomes NULL when the
 * lock is released because its thread ends, in that thread.
 *
 * shown  lives as long as the handle
 */
void ipm_segment_show(ipm_segment *segment, unsigned char **shown);

/* Whether the handle's last lock was released because its thread ended. */
bool ipm_segment_was_abandoned(const ipm_segment *segment);

#endif
