/*
 * Marks cold functions, so that hot paths stay small and can be inlined everywhere.
 */
#ifndef IPM_CORE_COLD_H
#define IPM_CORE_COLD_H

#define IPM_COLD __attribute__((cold, noinline))
#define IPM_OFTEN inline __attribute__((always_inline))

#endif
