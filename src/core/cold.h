/*
 * Marks cold functions, so that hot paths stay small and can be inlined everywhere; and functions
 * that are kept apart from a hot path, but are not cold.
 */
#ifndef IPM_CORE_COLD_H
#define IPM_CORE_COLD_H

#define IPM_COLD __attribute__((cold, noinline))
#define IPM_APART __attribute__((noinline))
#define IPM_OFTEN inline __attribute__((always_inline))

#endif
