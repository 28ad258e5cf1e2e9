/*
 * A handle on a segment: its parts, and whether it still stands for the segment that it was opened
 * on.
 */
#ifndef IPM_CORE_HANDLE_H
#define IPM_CORE_HANDLE_H

#include "datafile.h"
#include "descriptor.h"
#include "lockfile.h"
#include "name.h"

struct ipm_segment {
    ipm_role role;
    ipm_access access;     /* to the data file */
    uint32_t generation;   /* the fork generation of its opening */
    ipm_options options;   /* of its opening; no names, but its own copy of `trust` */
    ipm_expected expected; /* the program's layout */
    const char *name;      /* of the struct: the layout's */
    ipm_layout **past;     /* the layouts of files that it has left: the user may still use them */
    size_t past_count;
    ipm_names names;
    ipm_directory mmap_dir, lock_dir; /* as they were when it was opened */
    int64_t deadline;                 /* of its opening, for all waits for other processes */
    ipm_datafile data;
    ipm_lockfile lockfile;
    ipm_error refusal; /* why a reader has no lock file, if its code is not IPM_OK */
    ipm_rwlock lock;
    ipm_transaction transaction;
    unsigned char *copy;       /* a reader's: where it works when a writer died */
    const unsigned char *view; /* the struct, while the lock is held; otherwise NULL */
    unsigned char **shown;     /* where the user keeps `view`, or NULL: see abandon.h */
    bool edited;               /* the lock's transaction has changes of another machine's program */
    uint64_t abandoned;        /* the number of the last thread that ended with the lock, or 0 */
    uint64_t openings;         /* how many segments it has opened: see follow.h */
    uint64_t first_opening;    /* the first of them from which on the versions have gone on */
    bool is_new;               /* it has followed, and has not returned a version since */
    bool gave_up;              /* it found only a retired file, so its next tries look once */
    _Atomic uint32_t interrupted;      /* 1: the next wait, or the one that is under way, ends */
    _Atomic(_Atomic uint32_t *) wakes; /* the word that waits for a commit sleep on, or NULL */
    _Atomic uint32_t waking[2];        /* by side: how many interrupts are using that word */
    _Atomic uint32_t side;             /* on which interrupts count themselves: see follow.c */
    const void *(*asks)(void *);       /* says whether a wait for the lock is to end; or NULL */
    void *asks_with;                   /* its argument */
    ipm_descriptor descriptor;
    ipm_migration *migration; /* what this opening migrated, or NULL */
};

static inline ipm_segment *ipm_segment_of_lock(ipm_rwlock *lock) {
    void *start = (char *)lock - offsetof(ipm_segment, lock);
    return start;
}

/* IPM_OK, or IPM_EFORKED: this is a fork's child. */
int ipm_segment_check_fork(const ipm_segment *segment, ipm_error *error);

/* The error of a handle of the parent's. */
IPM_COLD int ipm_segment_fail_forked(const ipm_segment *segment, ipm_error *error);

/*
 * Whether the data file still has its name. This costs a system call, so it is for calls that are
 * slow anyway. A handle that finds the name lost is retired from then on: every call through it
 * fails. If the file has no name any more, an editor retires it for all who have it open.
 */
bool ipm_segment_has_name(ipm_segment *segment);

/* The same for a call, which follows if it can. returns  IPM_EREPLACED, or why it cannot follow */
int ipm_segment_check_name(ipm_segment *segment, ipm_error *error);

/* The error of a segment that was replaced, destroyed or removed. */
IPM_COLD int ipm_segment_fail_replaced(const ipm_segment *segment, ipm_error *error);

/* Follow, or fail: for a call that finds that the segment was replaced. See follow.h. */
IPM_COLD int ipm_segment_go_over(ipm_segment *segment, ipm_error *error);

/* Fail in a fork's child. If the segment was replaced, destroyed or removed, follow or fail. */
static inline int ipm_segment_check(ipm_segment *segment, ipm_error *error) {
    if (segment->generation != ipm_fork_generation)
        return ipm_segment_fail_forked(segment, error);
    return ipm_datafile_is_retired(&segment->data) ? ipm_segment_go_over(segment, error) : IPM_OK;
}

/* Find out who owns the directories of its files, and who may write to them. */
int ipm_segment_look_at_directories(ipm_segment *segment, const ipm_options *options,
                                    ipm_error *error);

#endif
