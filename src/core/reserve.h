/*
 * Private memory that is reserved before it is needed: address space only, until it is touched.
 */
#ifndef IPM_CORE_RESERVE_H
#define IPM_CORE_RESERVE_H

#include "../ipmmap.h"

/* Reserve zeroed memory for private copies of what `name` names. returns  IPM_ESYSTEM */
int ipm_reserve(uint64_t size, const char *name, void **memory, ipm_error *error);

/* NULL is allowed. */
void ipm_unreserve(void *memory, uint64_t size);

#endif
