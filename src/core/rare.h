/*
 * What hardly ever happens stands apart, so that what always does is short.
 */
#ifndef IPM_CORE_RARE_H
#define IPM_CORE_RARE_H

#define IPM_RARE __attribute__((cold, noinline))

#endif
