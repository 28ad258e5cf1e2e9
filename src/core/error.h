/*
 * Filling in an ipm_error.
 */
#ifndef IPM_CORE_ERROR_H
#define IPM_CORE_ERROR_H

#include "../ipmmap.h"

/*
 * Say why a call failed.
 *
 * error    may be NULL
 * system   the errno behind it, whose text is appended; or 0
 * format   what failed, with the names that the reader of the message needs
 * returns  code
 */
int ipm_fail(ipm_error *error, int code, int system, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Like ipm_fail, with the code that fits the errno: ENOSPC is IPM_ENOSPACE, and so on. */
int ipm_fail_errno(ipm_error *error, int system, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
