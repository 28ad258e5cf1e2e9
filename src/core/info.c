/*
 * The description of a segment that ipm_segment_info gives.
 */
#include "segment.h"

#include "error.h"
#include "follow.h"
#include "process.h"

#include <string.h>

/* As in options.c: a member that comes later begins where this ends. */
#define FIRST_INFO_SIZE 80
_Static_assert(offsetof(ipm_info, feed) == FIRST_INFO_SIZE, "the first version");

/* The process that holds the write lock, or 0. Whether a writer died in a transaction: the
 * transaction stays open, and no living process holds the lock. */
static int32_t find_writer(const ipm_segment *segment, bool *is_pending) {
    const _Atomic uint64_t *sequence = &segment->data.memory.state->sequence;
    uint64_t before = atomic_load_explicit(sequence, memory_order_acquire);
    bool is_open = ipm_sequence_is_odd(before);
    int32_t writer = ipm_rwlock_writer(&segment->lock);
    if (is_open && writer != 0 && ipm_process_is_zombie(writer))
        writer = 0;
    atomic_thread_fence(memory_order_acquire);
    *is_pending =
        is_open && writer == 0 && atomic_load_explicit(sequence, memory_order_relaxed) == before;
    return writer;
}

int ipm_segment_info(ipm_segment *segment, ipm_info *info, ipm_error *error) {
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK)
        return code;
    size_t size = info->own_size == 0 ? FIRST_INFO_SIZE : info->own_size;
    if (size < sizeof info->own_size)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: own_size %zu is not that of an ipm_info",
                        segment->name, size);
    if (size > sizeof *info)
        size = sizeof *info;
    ipm_segment_try_to_follow(segment); /* also for `replaced` */
    bool lockable = segment->lockfile.head != NULL, pending = false;
    int32_t writer = lockable ? find_writer(segment, &pending) : 0;
    const ipm_memory *memory = &segment->data.memory;
    const ipm_last last = ipm_snapshot_last(memory);
    const ipm_info all = {
        .own_size = size,
        .path = segment->names.path,
        .lock_path = segment->names.lock_path,
        .tag = segment->names.tag,
        .size = memory->size,
        .version = last.version,
        .pending = pending,
        .recoveries = atomic_load_explicit(&memory->state->recoveries, memory_order_relaxed),
        .max_readers = lockable ? segment->lockfile.slots : segment->data.max_readers,
        .readers = lockable ? ipm_rwlock_readers(&segment->lock) : 0,
        .writer_pid = writer,
        .writable = segment->role != IPM_READER,
        .lockable = lockable,
        .replaced = ipm_datafile_is_retired(&segment->data),
        .feed = segment->data.geometry.ring_size,
        .last_commit = (double)last.time / 1e9,
        .last_writer = last.writer.pid > 0 ? last.writer.pid : 0,
        .last_writer_life = ipm_process_life(&last.writer),
        .last_writer_start = last.writer.start,
    };
    memcpy(info, &all, size);
    return IPM_OK;
}
