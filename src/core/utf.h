/*
 * UTF-16 and UTF-32 text, in the machine's byte order, and UTF-8. An unpaired surrogate has its
 * form of three bytes in UTF-8, as in WTF-8, so that no unit is lost.
 */
#ifndef IPM_CORE_UTF_H
#define IPM_CORE_UTF_H

#include "../ipmmap.h"

/* The size of a unit of a text of this kind. */
static inline uint64_t ipm_unit_size(ipm_kind kind) {
    return kind == IPM_CHAR32 ? 4 : kind == IPM_CHAR16 ? 2 : 1;
}

/*
 * Store the UTF-8 text as units of `kind`, IPM_CHAR16 or IPM_CHAR32, at `into`.
 * room     the number of units there
 * returns  the number of units of the text, of which those beyond `room` are not stored;
 *          SIZE_MAX: the text is not UTF-8
 */
size_t ipm_utf_encode(ipm_kind kind, const char *text, size_t length, void *into, size_t room);

/*
 * Read one character from `count` units of `kind`, of which there is at least one.
 * utf8     gets its bytes, at most 4; a number above 0x10FFFF becomes U+FFFD
 * length   set to their number
 * returns  the number of units read
 */
size_t ipm_utf_decode(ipm_kind kind, const void *units, size_t count, char utf8[4], size_t *length);

#endif
