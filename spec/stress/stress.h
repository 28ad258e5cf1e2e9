/*
 * What the stress programs share: a segment whose every word is a function of its version, so
 * that whoever looks can tell a torn, a lost and a stale commit from a good one; scratch
 * directories; other processes and what they wait in.
 *
 * A struct of W words is intact at version v when word i is stress_word(v, i) for all i, or when
 * all are zero: just created, or reset.
 *
 * Whatever goes wrong in the machinery itself ends the program with a message.
 */
#ifndef STRESS_H
#define STRESS_H

#include "../../src/ipmmap.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STRESS_MS INT64_C(1000000)
#define STRESS_STUCK_NS (5000 * STRESS_MS) /* who waits longer is stuck, on any machine */

/* The struct `Stressed` with an array of that many words. */
ipm_layout *stress_layout(unsigned words);

/* Why the last one that this process tried has failed. */
extern ipm_error stress_error;

/* Open in `stress_dir`. returns the code of ipm_segment_open, and `stress_error` when it fails */
int stress_open(ipm_role role, const ipm_layout *layout, bool create, bool force,
                ipm_segment **segment);

/* The same, for when it must succeed. */
ipm_segment *stress_must_open(ipm_role role, const ipm_layout *layout, bool create);

uint64_t stress_word(uint64_t version, unsigned i);
uint64_t stress_version(uint64_t word); /* that a word was made from */
bool stress_is_intact(const void *data, unsigned words, uint64_t version);

/* Whether the struct that the handle's own lock shows is intact, and at which version. */
bool stress_look(ipm_segment *locked, unsigned words, uint64_t *version);

/* The same for a snapshot, which needs no lock. */
bool stress_snapshot(ipm_segment *segment, unsigned words, uint64_t *version);

/* Make the struct that of the next version; commits nothing. */
void stress_write(ipm_segment *locked, unsigned words);

/* A directory in memory, removed with all that is in it when the program ends. */
extern char stress_dir[64];
void stress_make_dir(void);
void stress_empty_dir(void);
/* The files in it, but for the segment's two. */
unsigned stress_litter(void);
const char *stress_data_path(void);
const char *stress_lock_path(void);

int64_t stress_now(void); /* CLOCK_MONOTONIC */
/* How long this process could have run, but had no processor: not to be blamed on a lock. */
int64_t stress_queued(void);
void stress_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* A child that dies with its parent. returns as fork */
pid_t stress_fork(void);

/* Kill a child and collect it. */
void stress_kill(pid_t pid);

/* Wait for a child's end, which must be a success. */
void stress_wait(pid_t pid);

/* Whether the process sleeps in the kernel, waiting for a lock or napping. */
bool stress_is_blocked(pid_t pid);

/* Pseudo-random numbers, different in each child that is given another seed. */
void stress_seed(uint64_t seed);
uint64_t stress_random(uint64_t below);

void stress_read(int fd, void *into, size_t size);
void stress_send(int fd, const void *from, size_t size);

/* "Linux 6.1.0, 2 cores, glibc 2.36": where figures were taken. */
const char *stress_machine(void);

/* Order numbers and take the one below which `percent` of them lie. */
int64_t stress_percentile(int64_t *values, unsigned count, unsigned percent);

#endif
