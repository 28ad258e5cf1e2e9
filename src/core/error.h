/*
 * Filling in an ipm_error.
 *
 * Inside the core an error is never NULL, and what it holds counts only if the call fails: so a
 * failure is worded once, where it is met, and passed up whole. A public function that calls others
 * gives them one of its own, and reports it at its end. Those that only fail may hand ipm_fail what
 * the caller gave.
 */
#ifndef IPM_CORE_ERROR_H
#define IPM_CORE_ERROR_H

#include "../ipmmap.h"

/*
 * Say why a call failed.
 *
 * error    may be NULL: the caller of the library wants no detail
 * system   the errno behind it, whose text is appended; or 0
 * format   what failed, with the names that the reader of the message needs
 * returns  code
 */
int ipm_fail(ipm_error *error, int code, int system, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Give the caller, who may have passed NULL, the detail of a failure. returns  code */
int ipm_report(int code, const ipm_error *detail, ipm_error *error);

/* Like ipm_fail, with the code that fits the errno: ENOSPC is IPM_ENOSPACE, and so on. */
int ipm_fail_errno(ipm_error *error, int system, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
