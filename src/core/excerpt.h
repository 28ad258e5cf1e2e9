/*
 * Excerpts of foreign text for error messages.
 */
#ifndef IPM_CORE_EXCERPT_H
#define IPM_CORE_EXCERPT_H

#include <stddef.h>

typedef struct ipm_excerpt {
    char text[128];
} ipm_excerpt;

/* The text with '?' for each unprintable byte; a text that is too long is cut and ends in "...". */
ipm_excerpt ipm_excerpt_of(const char *text, size_t length);

#endif
