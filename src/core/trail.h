/*
 * The path of the part that a walk over a layout is at.
 */
#ifndef IPM_CORE_TRAIL_H
#define IPM_CORE_TRAIL_H

#include "../ipmmap.h"

#include <stdio.h>

/* Each level adds a name and a dot, or an index. */
#define IPM_MAX_TRAIL (IPM_MAX_DEPTH * (IPM_MAX_NAME + 1))

typedef struct ipm_trail {
    char path[IPM_MAX_TRAIL + 1];
    size_t length;
} ipm_trail;

/* Append a name after the separator, or an index after "". returns  the argument of leave */
static inline size_t ipm_trail_enter(ipm_trail *trail, const char *separator, const char *name) {
    size_t before = trail->length;
    trail->length += (size_t)snprintf(trail->path + before, sizeof trail->path - before, "%s%s",
                                      before == 0 ? "" : separator, name);
    return before;
}

static inline void ipm_trail_leave(ipm_trail *trail, size_t before) {
    trail->length = before;
    trail->path[before] = '\0';
}

#endif
