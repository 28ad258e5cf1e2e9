/*
 * Working on an open segment: lock, change, commit, read, snapshot.
 */
#include "segment.h"

#include "abandon.h"
#include "catch_up.h"
#include "clock.h"
#include "error.h"
#include "follow.h"
#include "fork.h"
#include "initial.h"
#include "listeners.h"
#include "notify.h"
#include "word.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#define STAMP_OFFSET 8

/* ---- Checks ------------------------------------------------------------------------------ */

static int check_writer(ipm_segment *segment, ipm_error *error) {
    if (segment->role == IPM_READER)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: a reader cannot write", segment->name);
    return ipm_segment_check(segment, error);
}

static inline bool is_locked(const ipm_segment *segment) {
    return segment->generation == ipm_fork_generation && segment->view != NULL;
}

/* Fail unless this thread holds the lock through the handle. */
static inline int check_locked(const ipm_segment *segment, ipm_error *error) {
    return is_locked(segment) && ipm_rwlock_is_mine(&segment->lock)
               ? IPM_OK
               : ipm_segment_not_locked(segment, error);
}

int ipm_segment_check_locked(const ipm_segment *segment, ipm_error *error) {
    return check_locked(segment, error);
}

static inline bool is_inside(const ipm_segment *segment, uint64_t offset, uint64_t size) {
    uint64_t whole = segment->data.memory.size;
    return size <= whole && offset <= whole - size;
}

static IPM_COLD int outside(const ipm_segment *segment, uint64_t offset, uint64_t size,
                            ipm_error *error) {
    return ipm_fail(error, IPM_EINVALID, 0, "%s: %llu bytes at %llu are outside its %llu",
                    segment->name, (unsigned long long)size, (unsigned long long)offset,
                    (unsigned long long)segment->data.memory.size);
}

static inline int check_range(const ipm_segment *segment, uint64_t offset, uint64_t size,
                              ipm_error *error) {
    return is_inside(segment, offset, size) ? IPM_OK : outside(segment, offset, size, error);
}

/* ---- The lock ---------------------------------------------------------------------------- */

/* The segment was replaced while the call waited for its lock: take the new segment's lock, or
 * fail.
 */
static IPM_COLD int lock_new_one(ipm_segment *segment, int64_t timeout_ns, ipm_error *error) {
    return ipm_segment_follows(segment) ? ipm_segment_lock(segment, timeout_ns, error)
                                        : ipm_segment_fail_replaced(segment, error);
}

static IPM_COLD int explain(ipm_segment *segment, int code, int64_t timeout_ns, ipm_error *error) {
    int refused = ipm_segment_check_home(segment, error);
    if (refused != IPM_OK)
        return refused;
    switch (code) {
    case IPM_ENOTHOME:
        return ipm_fail(error, code, 0, "%s: this machine was not its home during the wait",
                        segment->name);
    case IPM_ETIMEOUT:
        return ipm_fail(error, code, 0, "%s: the lock was not free in time", segment->name);
    case IPM_EDEADLOCK:
        return ipm_fail(error, code, 0,
                        "%s: this thread holds a lock on the segment through another handle",
                        segment->name);
    case IPM_EREPLACED:
        return lock_new_one(segment, timeout_ns, error);
    case IPM_EINTERRUPTED:
        return ipm_fail(error, code, 0, "%s: the wait for the lock was interrupted", segment->name);
    case IPM_EINCOMPATIBLE:
        return ipm_fail(error, code, 0, "%s is damaged", segment->names.lock_path);
    default:
        if (segment->lock.system == ENOLCK)
            return ipm_fail(error, code, 0,
                            "%s: this thread holds %d locks already, and more would not all be "
                            "released if it died; release some first",
                            segment->name, IPM_MAX_LOCKS);
        return ipm_fail(error, code, segment->lock.system, "%s: the lock cannot be taken",
                        segment->names.lock_path);
    }
}

/* A writer died inside, and only a writer can repair: read a copy of the last commit. */
static IPM_COLD const unsigned char *last_committed(ipm_segment *segment) {
    const ipm_memory *memory = &segment->data.memory;
    ipm_snapshot_take(memory, 0, memory->size, segment->copy);
    return segment->copy;
}

static inline const unsigned char *readable(ipm_segment *segment) {
    const ipm_memory *memory = &segment->data.memory;
    return ipm_transaction_is_open(memory) ? last_committed(segment) : memory->data;
}

/* Roll back the transaction of a writer that died while it held the lock. */
static IPM_COLD void repair(ipm_segment *segment) {
    ipm_transaction_recover(&segment->data.memory);
    ipm_rwlock_repaired(&segment->lock);
}

static inline const unsigned char *writable(ipm_segment *segment) {
    const ipm_memory *memory = &segment->data.memory;
    if (segment->lock.gate_died || ipm_transaction_is_open(memory))
        repair(segment);
    ipm_transaction_open(&segment->transaction, memory);
    return memory->data;
}

static IPM_COLD int refuse_lock(const ipm_segment *segment, ipm_error *error) {
    if (segment->view != NULL)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: this handle holds its lock already",
                        segment->name);
    return ipm_report((int)segment->refusal.code, &segment->refusal, error);
}

static void release_lock(ipm_segment *segment) {
    segment->view = NULL;
    ipm_rwlock_unlock(&segment->lock);
}

static IPM_COLD int retired_meanwhile(ipm_segment *segment, int64_t timeout_ns, ipm_error *error) {
    release_lock(segment);
    return lock_new_one(segment, timeout_ns, error);
}

/* The lock was taken, and the segment is shared: perhaps the handle may not write. */
static IPM_COLD int check_place(ipm_segment *segment, ipm_error *error) {
    int code = ipm_segment_check_home(segment, error);
    segment->edited = false;
    if (code != IPM_OK)
        release_lock(segment);
    return code;
}

int ipm_segment_lock(ipm_segment *segment, int64_t timeout_ns, ipm_error *error) {
    int code = ipm_segment_check(segment, error);
    if (code != IPM_OK)
        return code;
    if (segment->view != NULL || segment->refusal.code != IPM_OK)
        return refuse_lock(segment, error);
    bool reads = segment->role == IPM_READER;
    code = reads ? ipm_rwlock_read(&segment->lock, timeout_ns)
                 : ipm_rwlock_write(&segment->lock, timeout_ns);
    if (code != IPM_OK)
        return explain(segment, code, timeout_ns, error);
    segment->view = reads ? readable(segment) : writable(segment);
    if (ipm_datafile_is_retired(&segment->data))
        return retired_meanwhile(segment, timeout_ns, error);
    return ipm_is_shared(&segment->data.memory) ? check_place(segment, error) : IPM_OK;
}

static int unlock_reader(ipm_segment *segment, ipm_error *error) {
    if (!is_locked(segment) || ipm_rwlock_unlock(&segment->lock) != IPM_OK)
        return ipm_segment_not_locked(segment, error);
    segment->view = NULL;
    return IPM_OK;
}

/* The segment is shared. If the changes may not be committed, roll them back, and release the lock.
 */
static IPM_COLD int check_commit(ipm_segment *segment, ipm_error *error) {
    int code = IPM_OK;
    if (segment->transaction.sequence != IPM_NOT_BEGUN)
        code = segment->edited
                   ? ipm_share_check(ipm_share_of(&segment->data.memory), segment->name, error)
                   : ipm_segment_check_home(segment, error);
    if (code != IPM_OK) {
        ipm_transaction_rollback(&segment->transaction);
        release_lock(segment);
    }
    return code;
}

int ipm_segment_unlock(ipm_segment *segment, ipm_error *error) {
    if (segment->role == IPM_READER)
        return unlock_reader(segment, error);
    int code = check_locked(segment, error);
    if (code == IPM_OK && ipm_is_shared(&segment->data.memory))
        code = check_commit(segment, error);
    if (code != IPM_OK)
        return code;
    /* Checked before the commit: a process may destroy the segment in response to the commit, and
     * then the commit has succeeded. */
    bool retired = ipm_datafile_is_retired(&segment->data);
    bool committed = ipm_transaction_commit(&segment->transaction);
    release_lock(segment);
    if (!committed)
        return IPM_OK;
    ipm_notify_all(&segment->lockfile.head->notify);
    bool there = ipm_listeners_notify(&segment->lockfile.head->listening, segment->names.path);
    if (retired || (!there && !ipm_segment_has_name(segment)))
        return ipm_segment_fail_replaced(segment, error);
    return IPM_OK;
}

int ipm_segment_rollback(ipm_segment *segment, ipm_error *error) {
    if (segment->role == IPM_READER)
        return unlock_reader(segment, error);
    int code = check_locked(segment, error);
    if (code != IPM_OK)
        return code;
    ipm_transaction_rollback(&segment->transaction);
    release_lock(segment);
    return IPM_OK;
}

bool ipm_segment_is_locked(const ipm_segment *segment) {
    return ipm_segment_data(segment) != NULL;
}

/* ---- Writing ----------------------------------------------------------------------------- */

const void *ipm_segment_data(const ipm_segment *segment) {
    return segment->generation == ipm_fork_generation ? segment->view : NULL;
}

void *ipm_segment_change(ipm_segment *segment, uint64_t offset, uint64_t size) {
    if (segment->role == IPM_READER || !is_locked(segment) || size == 0 ||
        !is_inside(segment, offset, size))
        return NULL;
    ipm_transaction_change(&segment->transaction, offset, size);
    return segment->data.memory.data + offset;
}

void ipm_segment_stamp(ipm_segment *segment, double time) {
    uint64_t bits;
    memcpy(&bits, &time, sizeof bits);
    ipm_store_u64(ipm_segment_change(segment, STAMP_OFFSET, sizeof bits), bits);
}

void ipm_segment_reset(ipm_segment *segment, const void *init) {
    const uint64_t kept = sizeof(uint16_t); /* the header's code */
    const uint64_t size = segment->data.memory.size;
    unsigned char *data = (unsigned char *)ipm_segment_change(segment, kept, size - kept) - kept;
    if (init == NULL) {
        ipm_zero_shared(data + kept, size - kept);
        ipm_type_store_defaults(ipm_layout_type(ipm_segment_layout(segment)), data);
    } else {
        ipm_zero_shared(data + kept, IPM_HEADER_SIZE - kept);
        ipm_copy_to_shared(data + IPM_HEADER_SIZE, (const char *)init + IPM_HEADER_SIZE,
                           size - IPM_HEADER_SIZE);
    }
}

int ipm_segment_enter(ipm_segment *segment, bool *own, ipm_error *error) {
    *own = segment->view == NULL;
    int code = check_writer(segment, error);
    if (code == IPM_OK)
        code = *own ? ipm_segment_lock(segment, IPM_FOREVER, error) : check_locked(segment, error);
    return code;
}

/* End the call's own transaction. returns  IPM_EREPLACED: its changes are lost */
static int unlock_own(ipm_segment *segment, bool own, ipm_error *error) {
    return own ? ipm_segment_unlock(segment, error) : IPM_OK;
}

/* Whether a call has lost its own transaction and must repeat it on the new segment. */
static bool is_to_repeat(const ipm_segment *segment, bool own, int code) {
    return code == IPM_EREPLACED && own && ipm_segment_follows(segment);
}

/* The range is outside the present segment, but the segment that replaces it may be larger. */
static IPM_COLD int check_new_range(ipm_segment *segment, uint64_t offset, uint64_t size,
                                    ipm_error *error) {
    int code = check_writer(segment, error);
    return code == IPM_OK ? check_range(segment, offset, size, error) : code;
}

/* The handle has followed while it waited for the lock, and the new segment is smaller. */
static IPM_COLD int shrunk(ipm_segment *segment, bool own, uint64_t offset, uint64_t size,
                           ipm_error *error) {
    if (own)
        ipm_segment_rollback(segment, NULL);
    return outside(segment, offset, size, error);
}

int ipm_segment_write(ipm_segment *segment, uint64_t offset, uint64_t size, const void *from,
                      ipm_error *error) {
    bool own;
    int code =
        is_inside(segment, offset, size) ? IPM_OK : check_new_range(segment, offset, size, error);
    if (code == IPM_OK)
        code = ipm_segment_enter(segment, &own, error);
    if (code != IPM_OK)
        return code;
    uint64_t skipped = offset >= IPM_HEADER_SIZE ? 0 : IPM_HEADER_SIZE - offset;
    if (size > skipped) {
        void *to = ipm_segment_change(segment, offset + skipped, size - skipped);
        if (to == NULL)
            return shrunk(segment, own, offset, size, error);
        ipm_copy_to_shared(to, (const char *)from + skipped, size - skipped);
    }
    code = unlock_own(segment, own, error);
    return is_to_repeat(segment, own, code) ? ipm_segment_write(segment, offset, size, from, error)
                                            : code;
}

int ipm_segment_touch(ipm_segment *segment, ipm_error *error) {
    bool own;
    int code = ipm_segment_enter(segment, &own, error);
    if (code != IPM_OK)
        return code;
    ipm_segment_stamp(segment, ipm_time());
    code = unlock_own(segment, own, error);
    return is_to_repeat(segment, own, code) ? ipm_segment_touch(segment, error) : code;
}

int ipm_segment_clear(ipm_segment *segment, ipm_error *error) {
    bool own;
    int code = ipm_segment_enter(segment, &own, error);
    if (code != IPM_OK)
        return code;
    ipm_segment_reset(segment, NULL);
    code = unlock_own(segment, own, error);
    return is_to_repeat(segment, own, code) ? ipm_segment_clear(segment, error) : code;
}

int ipm_segment_flush(ipm_segment *segment, ipm_error *error) {
    int code = check_writer(segment, error);
    if (code == IPM_OK)
        code = ipm_segment_check_name(segment, error);
    if (code != IPM_OK)
        return code;
    if (msync(segment->data.map, segment->data.geometry.file_size, MS_SYNC) != 0)
        return ipm_fail_errno(error, errno, "cannot write %s to disk", segment->names.path);
    return IPM_OK;
}

/* ---- Reading ----------------------------------------------------------------------------- */

static inline void take_all(ipm_segment *segment, ipm_snapshot *snapshot) {
    if (ipm_snapshot_turn(snapshot))
        return;
    bool has_lock = segment->lockfile.head != NULL && segment->view == NULL;
    ipm_snapshot_catch_up(snapshot, has_lock ? &segment->lock : NULL);
}

void ipm_segment_take(ipm_segment *segment, ipm_snapshot *snapshot) {
    take_all(segment, snapshot);
}

/* Copy the last commit. returns  its version */
static uint64_t take_snapshot(ipm_segment *segment, uint64_t offset, uint64_t size, void *into) {
    ipm_snapshot snapshot;
    ipm_snapshot_start(&snapshot, &segment->data.memory, offset, size, into);
    take_all(segment, &snapshot);
    return snapshot.version;
}

int ipm_segment_read(ipm_segment *segment, uint64_t offset, uint64_t size, void *into,
                     ipm_error *error) {
    bool locked = segment->view != NULL;
    int code = locked ? check_locked(segment, error) : ipm_segment_check(segment, error);
    if (code == IPM_OK)
        code = check_range(segment, offset, size, error);
    if (code != IPM_OK)
        return code;
    if (locked)
        ipm_copy_from_shared(into, segment->view + offset, size);
    else
        take_snapshot(segment, offset, size, into);
    return IPM_OK;
}

int ipm_segment_snapshot(ipm_segment *segment, void *into, uint64_t *version, ipm_error *error) {
    int code = ipm_segment_check(segment, error);
    if (code != IPM_OK)
        return code;
    uint64_t shown = take_snapshot(segment, 0, segment->data.memory.size, into);
    if (version != NULL) {
        *version = shown;
        segment->is_new = false;
    }
    return IPM_OK;
}

int ipm_segment_version(ipm_segment *segment, uint64_t *version, ipm_error *error) {
    int code = ipm_segment_check(segment, error);
    if (code == IPM_OK) {
        *version = ipm_snapshot_version(&segment->data.memory);
        segment->is_new = false;
    }
    return code;
}
