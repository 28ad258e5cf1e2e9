#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
    [IPM_OK] = "ok",
    [IPM_ENOTFOUND] = "not_found",
    [IPM_ELAYOUT] = "layout",
    [IPM_ECORRUPT] = "corrupt",
    [IPM_EPERMISSION] = "permission",
    [IPM_ENOSPACE] = "no_space",
    [IPM_ESYSTEM] = "system",
    [IPM_ETIMEOUT] = "timeout",
    [IPM_EDEADLOCK] = "deadlock",
    [IPM_EINCOMPATIBLE] = "incompatible",
    [IPM_EREPLACED] = "replaced",
    [IPM_EFORKED] = "forked",
    [IPM_EINTERRUPTED] = "interrupted",
    [IPM_EINVALID] = "invalid",
    [IPM_ENOTHOME] = "not_home",
};

const char *ipm_code_name(ipm_code code) {
    return (unsigned)code < sizeof names / sizeof *names ? names[code] : "unknown";
}

/* libc has the POSIX or the GNU strerror_r: each of these two functions reads the result of one. */
static const char *text_of(const char *result, const char *buffer) {
    (void)buffer;
    return result;
}

static const char *text_of_int(int result, const char *buffer) {
    return result == 0 ? buffer : "unknown error";
}

static const char *describe_errno(int system, char *buffer, size_t size) {
    /* clang-format off: its versions differ on _Generic */
    return _Generic(strerror_r(system, buffer, size), char *: text_of, int: text_of_int)(
        strerror_r(system, buffer, size), buffer);
    /* clang-format on */
}

static int fail(ipm_error *error, int code, int system, const char *format, va_list args) {
    if (error == NULL)
        return code;
    char buffer[128], why[sizeof buffer + sizeof ": "] = "";
    error->code = (ipm_code)code;
    error->system = system;
    if (system != 0)
        snprintf(why, sizeof why, ": %s", describe_errno(system, buffer, sizeof buffer));
    size_t room = sizeof error->text - strlen(why);
    int length = vsnprintf(error->text, room, format, args);
    if (length < 0)
        length = 0;
    if ((size_t)length >= room) { /* a long path: cut it, and keep the reason */
        length = (int)room - 1;
        memcpy(error->text + length - 3, "...", 3);
    }
    snprintf(error->text + length, sizeof error->text - (size_t)length, "%s", why);
    return code;
}

int ipm_fail(ipm_error *error, int code, int system, const char *format, ...) {
    va_list args;
    va_start(args, format);
    fail(error, code, system, format, args);
    va_end(args);
    return code;
}

static int code_of_errno(int system) {
    switch (system) {
    case ENOENT:
        return IPM_ENOTFOUND;
    case EACCES:
    case EPERM:
    case EROFS:
        return IPM_EPERMISSION;
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return IPM_ENOSPACE;
    default:
        return IPM_ESYSTEM;
    }
}

int ipm_fail_errno(ipm_error *error, int system, const char *format, ...) {
    va_list args;
    va_start(args, format);
    int code = fail(error, code_of_errno(system), system, format, args);
    va_end(args);
    return code;
}

int ipm_report(int code, const ipm_error *detail, ipm_error *error) {
    if (code != IPM_OK && error != NULL)
        *error = *detail;
    return code;
}
