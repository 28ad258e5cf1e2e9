/*
 * Foreign text, made fit to stand in an error text.
 */
#ifndef IPM_CORE_EXCERPT_H
#define IPM_CORE_EXCERPT_H

#include <stddef.h>

typedef struct ipm_excerpt {
    char text[128];
} ipm_excerpt;

/* The text with '?' for what cannot be printed, and "..." for what is too much, at its end. */
ipm_excerpt ipm_excerpt_of(const char *text, size_t length);

#endif
