/*
 * A simulated machine with weak memory. It runs the core's real code: see weak_core.h.
 *
 * x86 hides most missing fences. This machine hides none. Each place in memory has the list of all
 * values ever stored there. Each thread has a view, which says how new a value it must see at each
 * place. A load picks at random one of the values that are not older. Each value carries a view:
 * for a release store, the view of the storing thread; otherwise, the view that the thread had at
 * its last release fence. A thread that reads the value with acquire, or that makes an acquire
 * fence later, joins that view to its own. (These are the views of the operational forms of RC11:
 * Kang and others, "A promising semantics for relaxed-memory concurrency", POPL 2017; Dang and
 * others, "RustBelt meets relaxed memory", POPL 2020. The machine makes no store early, and orders
 * the stores to one place as they are made. So code that fails here is wrong, but code that passes
 * is not proved right.)
 *
 * At each access a random thread runs next. A run is determined by its seed.
 */
#ifndef WEAK_H
#define WEAK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEAK_THREADS 4
#define WEAK_DIE_NEVER UINT32_MAX

/* Forget all places, threads and mutexes. */
void weak_reset(uint64_t seed);
uint64_t weak_random(uint64_t below);

/* Make a word of memory a place. Its present content is the first value. */
void weak_watch(void *at);

/* Add a thread. It dies before its access number `dies`, and keeps the mutexes that it holds. */
void weak_thread(void (*body)(void), uint32_t dies);

/* Run all threads. returns  false: they did not end */
bool weak_run(void);

/* The number of the running thread. */
unsigned weak_self(void);

/* Whether all other threads have ended. */
bool weak_is_last(void);

/* ---- The operations of the core's code --------------------------------------------------- */

uint64_t weak_load(const volatile void *at, size_t size, memory_order order);
void weak_store(volatile void *at, size_t size, uint64_t value, memory_order order);
uint64_t weak_add(volatile void *at, size_t size, uint64_t value, memory_order order);
uint64_t weak_or(volatile void *at, size_t size, uint64_t bits, memory_order order);
bool weak_swap(volatile void *at, size_t size, void *expected, uint64_t desired,
               memory_order order);
void weak_fence(memory_order order);

/* Copy by words with relaxed accesses. Words that are not watched are copied normally. */
void weak_copy(void *restrict to, const void *restrict from, size_t size);

/* Store the newest values of the words in a range in memory itself, for code that holds the lock
 * and so reads it as plain memory. */
void weak_settle(void *at, size_t size);

/* Robust mutexes. Each lock joins the view of the unlock before it. */
int weak_trylock(void *mutex);
int weak_waitlock(void *mutex);
int weak_consistent(void *mutex);
int weak_unlock(void *mutex);

/* A futex. If the last value at the place is `seen`, the thread sleeps until it is woken. */
int weak_sleep(const volatile void *at, uint32_t seen);
void weak_wake(void);

/* Let other threads run. */
void weak_yield(void);

#endif
