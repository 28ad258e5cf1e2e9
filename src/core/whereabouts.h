/*
 * Where a value is, for the errors of a walk over values. The path is made only when a value is
 * refused, of the parts that lead to it.
 */
#ifndef IPM_CORE_WHEREABOUTS_H
#define IPM_CORE_WHEREABOUTS_H

#include "../ipmmap.h"

typedef struct ipm_whereabouts {
    const struct ipm_whereabouts *whole; /* NULL: this is the whole */
    const char *name; /* of a field; NULL: an element, or the value of an optional one */
    uint64_t index;   /* of an element, from 1; otherwise 0 */
    ipm_error *error;
} ipm_whereabouts;

/* Say what is wrong with the value there: "Demo.items[3].x: ...". returns  code */
int ipm_refuse(const ipm_whereabouts *at, int code, const char *what);

#endif
