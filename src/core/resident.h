/*
 * Making memory resident before it is used, for programs that cannot afford a page fault.
 */
#ifndef IPM_CORE_RESIDENT_H
#define IPM_CORE_RESIDENT_H

#include "../ipmmap.h"

/*
 * Touch each page of a mapping. A writable page is written to, by an operation that changes nothing
 * even if other processes write to it at the same time.
 *
 * lock     also keep the pages in memory until they are unmapped
 * what     names the mapping in messages
 * returns  IPM_EPERMISSION, IPM_ESYSTEM: the limit of locked memory
 */
int ipm_resident(void *map, uint64_t size, bool writable, bool lock, const char *what,
                 ipm_error *error);

#endif
