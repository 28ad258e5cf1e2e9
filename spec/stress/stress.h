/*
 * Shared by the stress programs: a segment in which every word is a function of the version, so
 * that a reader can tell a torn, a lost and a stale commit from a good one; scratch directories;
 * and other processes.
 *
 * A struct of W words is intact at version v if word i is stress_word(v, i) for all i, or if all
 * words are zero, because it was just created or reset.
 *
 * A failure of the test's own machinery ends the program with a message.
 */
#ifndef STRESS_H
#define STRESS_H

#include "../../src/ipmmap.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define STRESS_MS INT64_C(1000000)
#define STRESS_STUCK_NS (5000 * STRESS_MS) /* a process that waits longer is stuck */

/* The layout of the struct `Stressed`, which has an array of `words` words. */
ipm_layout *stress_layout(unsigned words);

/* The same with another array behind it. */
#define STRESS_MORE 100
ipm_layout *stress_grown_layout(unsigned words);

/* The error of this process's last stress_open that failed. */
extern ipm_error stress_error;

/* The bytes of the ring of the segments that stress_open makes. */
extern uint64_t stress_feed;

/* What becomes of a segment that exists; with STRESS_FORCE also of one of the same layout. */
typedef enum stress_way { STRESS_KEEP, STRESS_FORCE, STRESS_MIGRATE } stress_way;

/* Open in `stress_dir`. returns the code of ipm_segment_open, and `stress_error` when it fails */
int stress_open(ipm_role role, const ipm_layout *layout, bool create, stress_way way,
                ipm_segment **segment);

/* The same, but a failure ends the program. */
ipm_segment *stress_must_open(ipm_role role, const ipm_layout *layout, bool create);

uint64_t stress_word(uint64_t version, unsigned i);
uint64_t stress_version(uint64_t word); /* the version that a word was made from */
bool stress_is_intact(const void *data, unsigned words, uint64_t version);

/* Whether the struct is intact, and its version. The handle holds the lock. */
bool stress_look(ipm_segment *locked, unsigned words, uint64_t *version);

/* The same for a snapshot, which needs no lock. */
bool stress_snapshot(ipm_segment *segment, unsigned words, uint64_t *version);

/* Write the words of the next version. This does not commit. */
void stress_write(ipm_segment *locked, unsigned words);

/* A directory in memory. It is removed with its contents when the program ends. */
extern char stress_dir[64];
void stress_make_dir(void);
void stress_empty_dir(void);
/* The number of files in it, without the segment's two. */
unsigned stress_litter(void);
const char *stress_data_path(void);
const char *stress_lock_path(void);

int64_t stress_now(void); /* CLOCK_MONOTONIC */
/* How long this process was ready to run but had no processor. A lock is not to blame for that. */
int64_t stress_queued(void);
void stress_die(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

/* Fork a child that dies with its parent. returns as fork */
pid_t stress_fork(void);

/* Kill a child and reap it. */
void stress_kill(pid_t pid);

/* Wait for a child's end. The program ends with a message unless the child succeeded. */
void stress_wait(pid_t pid);

/* Whether the process sleeps in the kernel: it waits for a lock, or it naps. */
bool stress_is_blocked(pid_t pid);

/* Pseudo-random numbers. A child must set a seed of its own to get other numbers. */
void stress_seed(uint64_t seed);
uint64_t stress_random(uint64_t below);

void stress_read(int fd, void *into, size_t size);
void stress_send(int fd, const void *from, size_t size);

/* The machine on which figures were measured: "Linux 6.1.0, 2 cores, glibc 2.36". */
const char *stress_machine(void);

/* Sort the values and return their percentile. */
int64_t stress_percentile(int64_t *values, unsigned count, unsigned percent);

#endif
