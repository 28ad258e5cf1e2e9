/*
 * The page: the unit of mappings, and of the parts of the segment's files.
 */
#ifndef IPM_CORE_PAGE_H
#define IPM_CORE_PAGE_H

#include <stdint.h>

#define IPM_PAGE UINT64_C(4096)

/* The size, rounded up to whole pages. */
static inline uint64_t ipm_page_up(uint64_t size) {
    return (size + IPM_PAGE - 1) / IPM_PAGE * IPM_PAGE;
}

#endif
