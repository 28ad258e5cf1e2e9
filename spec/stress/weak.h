/*
 * A machine with weak memory, for running the core's real code on: see weak_core.h.
 *
 * x86 hides most missing fences. This machine hides none: each place in memory is the list of all
 * values ever stored there, and each thread's view says which of them it has seen at least. A load
 * takes at random any value that is not older. A value carries the view that whoever reads it with
 * acquire, or reads it and then makes an acquire fence, takes over: for a release store that of the
 * storing thread, else the one it had at its last release fence. (Views as in the operational forms
 * of RC11: Kang and others, "A promising semantics for relaxed-memory concurrency", POPL 2017;
 * Dang and others, "RustBelt meets relaxed memory", POPL 2020. Stores are never made early, and
 * the order of the stores to one place is the order in which they are made: what the machine
 * rejects is wrong, what it accepts need not be right.)
 *
 * Threads take turns at random, at each access. Everything follows from the seed.
 */
#ifndef WEAK_H
#define WEAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAK_THREADS 4
#define WEAK_DIE_NEVER UINT32_MAX

/* Forget all. */
void weak_reset(uint64_t seed);
uint64_t weak_random(uint64_t below);

/* Make a place of a word of memory, with what it holds as the first value. */
void weak_watch(void *at);

/* Add a thread. It dies before its access number `dies`, holding what it holds. */
void weak_thread(void (*body)(void), uint32_t dies);

/* Run all threads. returns  false: they did not end */
bool weak_run(void);

/* Of the running thread. */
unsigned weak_self(void);

/* Whether all others have ended. */
bool weak_is_last(void);

/* ---- What the core's code does ----------------------------------------------------------- */

uint64_t weak_load(const volatile void *at, size_t size, memory_order order);
void weak_store(volatile void *at, size_t size, uint64_t value, memory_order order);
uint64_t weak_add(volatile void *at, size_t size, uint64_t value, memory_order order);
uint64_t weak_or(volatile void *at, size_t size, uint64_t bits, memory_order order);
bool weak_swap(volatile void *at, size_t size, void *expected, uint64_t desired,
               memory_order order);
void weak_fence(memory_order order);

/* Relaxed, by words; those that are not watched are copied as they are. */
void weak_copy(void *restrict to, const void *restrict from, size_t size);

/* Robust mutexes, which hand the view over. */
int weak_trylock(void *mutex);
int weak_waitlock(void *mutex);
int weak_consistent(void *mutex);
int weak_unlock(void *mutex);

/* A futex: sleeps while the last value at the place is `seen`, until it is woken. */
int weak_sleep(const volatile void *at, uint32_t seen);
void weak_wake(void);

/* Let others have a turn. */
void weak_yield(void);

#endif
