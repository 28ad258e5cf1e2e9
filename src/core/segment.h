/*
 * A handle on a segment: its data file, its lock file, its side of the lock, its transaction.
 */
#ifndef IPM_CORE_SEGMENT_H
#define IPM_CORE_SEGMENT_H

#include "datafile.h"
#include "listen.h"
#include "lockfile.h"
#include "name.h"

struct ipm_segment {
    ipm_role role;
    ipm_access access;   /* to the data file */
    uint32_t generation; /* the fork generation of its opening */
    const char *name;    /* of the struct: the layout's */
    ipm_names names;
    ipm_directory mmap_dir, lock_dir; /* as they were when it was opened */
    int64_t deadline;                 /* of its opening, for all waits for other processes */
    ipm_datafile data;
    ipm_lockfile lockfile;
    ipm_error refusal; /* why a reader has no lock file, if its code is not IPM_OK */
    ipm_rwlock lock;
    ipm_transaction transaction;
    unsigned char *copy;          /* a reader's: where it works when a writer died */
    const unsigned char *view;    /* the struct, while the lock is held; otherwise NULL */
    unsigned char **shown;        /* where the user keeps `view`, or NULL: see abandon.h */
    uint64_t abandoned;           /* the number of the last thread that ended with the lock, or 0 */
    _Atomic uint32_t interrupted; /* 1: the next wait, or the one that is under way, ends */
    ipm_listener listener;
};

/* IPM_OK, or IPM_EFORKED: this is a fork's child. */
int ipm_segment_check_fork(const ipm_segment *segment, ipm_error *error);

/*
 * Look whether the file still has its name: a system call, for calls that are slow anyway. One that
 * finds it lost says so from then on, in every call through this handle; an editor says it to all
 * who have the file open.
 * returns  IPM_OK, IPM_EREPLACED
 */
int ipm_segment_check_name(ipm_segment *segment, ipm_error *error);

/* The error of a segment that was replaced, destroyed or removed. */
int ipm_segment_fail_replaced(const ipm_segment *segment, ipm_error *error);

/* Whether to wait on for the lock: see ipm_rwlock. */
int ipm_segment_go_on(ipm_rwlock *lock, bool has_waited);

/* Whose the directories of its files are, and who may write to them. */
int ipm_segment_look_at_directories(ipm_segment *segment, const ipm_options *options,
                                    ipm_error *error);

/* ipm_segment_open, for that access. */
int ipm_segment_open_for(ipm_role role, ipm_access access, const ipm_layout *layout,
                         const ipm_options *options, ipm_segment **segment, ipm_error *error);

/* As `abandoned` of the lock: what the thread changed is rolled back. */
void ipm_segment_abandon(ipm_rwlock *lock);

/* Say why what needs the lock cannot be done. returns  IPM_EINVALID or IPM_EFORKED */
IPM_RARE int ipm_segment_not_locked(const ipm_segment *segment, ipm_error *error);

/* Unmap and free. The lock is not held, or is the parent's. */
void ipm_segment_release(ipm_segment *segment);

/* Zero all but the header's code; in the handle's lock. */
void ipm_segment_zero(ipm_segment *segment);

/* Set the header's time stamp; in the handle's lock. */
void ipm_segment_stamp(ipm_segment *segment, double time);

#endif
