/*
 * The canonical schema text.
 */
#ifndef IPM_CORE_PRINT_H
#define IPM_CORE_PRINT_H

#include "../ipmmap.h"

/* Print the type and all that it uses. returns  memory that the caller frees; NULL: no memory */
char *ipm_print(const ipm_type *type, size_t *length);

#endif
