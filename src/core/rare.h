/*
 * What hardly ever happens stands apart, so that what always does is short: that is put in line,
 * in however many places.
 */
#ifndef IPM_CORE_RARE_H
#define IPM_CORE_RARE_H

#define IPM_RARE __attribute__((cold, noinline))
#define IPM_OFTEN inline __attribute__((always_inline))

#endif
