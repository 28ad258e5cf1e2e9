/*
 * Filling in an ipm_error.
 *
 * Inside the core an error is never NULL, and its content counts only if the call fails. So each
 * failure is worded once, where it is found, and passed up unchanged. The caller of a public
 * function may pass NULL. A public function whose callees read the error therefore passes them one
 * of its own, and reports it at the end; one whose callees only fill it in passes it on to
 * ipm_fail.
 */
#ifndef IPM_CORE_ERROR_H
#define IPM_CORE_ERROR_H

#include "../ipmmap.h"

/*
 * Say why a call failed.
 *
 * error    NULL: the caller of the library wants no detail
 * system   the errno behind the failure, whose text is appended; or 0
 * format   says what failed, with the names that the reader of the message needs
 * returns  code
 */
int ipm_fail(ipm_error *error, int code, int system, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Copy the detail of a failure to the caller's error, unless that is NULL. returns  code */
int ipm_report(int code, const ipm_error *detail, ipm_error *error);

/* Like ipm_fail, with the code that fits the errno: ENOSPC is IPM_ENOSPACE, and so on. */
int ipm_fail_errno(ipm_error *error, int system, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
