/*
 * Memory that is there before it is needed, for those who cannot afford a page fault.
 */
#ifndef IPM_CORE_RESIDENT_H
#define IPM_CORE_RESIDENT_H

#include "../ipmmap.h"

/*
 * Touch each page of a mapping; those that can be written in a way that changes nothing, whoever
 * writes to them at the same time.
 *
 * lock     keep them in memory, too, until they are unmapped
 * what     names the mapping in messages
 * returns  IPM_EPERMISSION, IPM_ESYSTEM: the limit of locked memory
 */
int ipm_resident(void *map, uint64_t size, bool writable, bool lock, const char *what,
                 ipm_error *error);

#endif
