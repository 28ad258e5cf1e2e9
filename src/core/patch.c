/*
 * Patches of other machines: reading them, making them of a feed, and storing them.
 */
#include "patch.h"

#include "error.h"
#include "segment.h"
#include "word.h"

#include <endian.h>
#include <string.h>

#define JOINED_GAP 16 /* about the size of a run's header */

/* ---- Reading ----------------------------------------------------------------------------- */

static ipm_run first_run(ipm_patch patch) {
    uint64_t offset;
    uint32_t size;
    memcpy(&offset, patch.bytes, sizeof offset);
    memcpy(&size, patch.bytes + sizeof offset, sizeof size);
    return (ipm_run){le64toh(offset), le32toh(size), patch.bytes + IPM_RUN_HEADER};
}

static void skip_run(ipm_patch *patch, uint64_t size) {
    patch->bytes += IPM_RUN_HEADER + size;
    patch->size -= IPM_RUN_HEADER + size;
}

bool ipm_patch_next(ipm_patch *patch, ipm_run *run) {
    run->size = 0;
    if (patch->size == 0)
        return false;
    *run = first_run(*patch);
    skip_run(patch, run->size);
    return true;
}

/* ---- From a feed ------------------------------------------------------------------------- */

/* Runs that are written one after the other, as far as there is room. */
typedef struct writing {
    const unsigned char *value;
    unsigned char *into;
    size_t room, used;
} writing;

static void write_run(writing *w, uint64_t offset, uint64_t end) {
    while (offset < end) {
        uint32_t size = end - offset < UINT32_MAX ? (uint32_t)(end - offset) : UINT32_MAX;
        uint64_t offset_there = htole64(offset);
        uint32_t size_there = htole32(size);
        size_t at = w->used;
        w->used += IPM_RUN_HEADER + size;
        if (w->used <= w->room) {
            memcpy(w->into + at, &offset_there, sizeof offset_there);
            memcpy(w->into + at + sizeof offset_there, &size_there, sizeof size_there);
            memcpy(w->into + at + IPM_RUN_HEADER, w->value + offset, size);
        }
        offset += size;
    }
}

size_t ipm_feed_patch(const ipm_feed *feed, void *into, size_t room) {
    writing w = {.value = ipm_feed_value(feed), .into = into, .room = room};
    ipm_range range = {0, 0};
    uint64_t start = 0, end = 0; /* of the run so far */
    while (ipm_feed_changes(feed, &range)) {
        if (range.offset > end + JOINED_GAP || end == 0) {
            write_run(&w, start, end);
            start = range.offset;
        }
        end = range.offset + range.size;
    }
    write_run(&w, start, end);
    return w.used;
}

/* ---- Storing ----------------------------------------------------------------------------- */

static int check_shares(const ipm_segment *segment, ipm_error *error) {
    return segment->options.shares
               ? IPM_OK
               : ipm_fail(error, IPM_EINVALID, 0, "%s: the handle needs the option shares",
                          segment->name);
}

/* Whether it is a patch of a struct of that size. Only then may its runs be read. */
static bool is_sound(ipm_patch patch, uint64_t struct_size) {
    uint64_t end = 0;
    while (patch.size != 0) {
        if (patch.size <= IPM_RUN_HEADER)
            return false;
        const ipm_run run = first_run(patch);
        if (run.size == 0 || run.size > patch.size - IPM_RUN_HEADER || run.offset < end ||
            run.offset > struct_size || run.size > struct_size - run.offset)
            return false;
        end = run.offset + run.size;
        skip_run(&patch, run.size);
    }
    return true;
}

static int check_shape(const ipm_segment *segment, ipm_patch patch, ipm_error *error) {
    return is_sound(patch, segment->data.memory.size)
               ? IPM_OK
               : ipm_fail(error, IPM_ECORRUPT, 0,
                          "%s: the patch is damaged, or is one of another struct", segment->name);
}

static int check_values(const ipm_segment *segment, ipm_patch patch, bool limits,
                        ipm_error *error) {
    return ipm_patch_check(ipm_layout_type(ipm_segment_layout(segment)), segment->data.memory.data,
                           patch, limits, error);
}

/* Whether the struct has the bytes of a patch, as far as they are among its first `size` bytes. */
static bool has_bytes(const ipm_segment *segment, ipm_patch patch, uint64_t size) {
    ipm_run run;
    while (ipm_patch_next(&patch, &run) && run.offset < size) {
        uint64_t length = run.size < size - run.offset ? run.size : size - run.offset;
        if (memcmp(segment->data.memory.data + run.offset, run.bytes, length) != 0)
            return false;
    }
    return true;
}

static void store_runs(ipm_segment *segment, ipm_patch patch) {
    ipm_run run;
    while (ipm_patch_next(&patch, &run))
        ipm_copy_to_shared(ipm_segment_change(segment, run.offset, run.size), run.bytes, run.size);
}

/* Release a lock that was taken for the call. */
static int leave(ipm_segment *segment, bool own, int code, ipm_error *error) {
    if (!own)
        return code;
    if (code == IPM_OK)
        return ipm_segment_unlock(segment, error);
    ipm_segment_rollback(segment, NULL);
    return code;
}

/* In the handle's lock. */
static int apply(ipm_segment *segment, ipm_patch patch, uint64_t version, int64_t time_ns,
                 ipm_error *error) {
    if (segment->transaction.sequence != IPM_NOT_BEGUN)
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: a patch is applied as the first change of a transaction",
                        segment->name);
    if (!ipm_transaction_may_make(&segment->data.memory, version))
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: version %llu is not above the present one, or is too large",
                        segment->name, (unsigned long long)version);
    int code = check_shape(segment, patch, error);
    if (code == IPM_OK && !has_bytes(segment, patch, sizeof(uint16_t)))
        code = ipm_fail(error, IPM_ECORRUPT, 0, "%s: the patch has another header code",
                        segment->name);
    if (code == IPM_OK)
        code = check_values(segment, patch, false, error);
    if (code != IPM_OK)
        return code;
    ipm_transaction_begin(&segment->transaction, version, time_ns);
    store_runs(segment, patch);
    return IPM_OK;
}

int ipm_segment_apply(ipm_segment *segment, const void *patch, size_t size, uint64_t version,
                      int64_t time_ns, ipm_error *error) {
    bool own;
    int code = check_shares(segment, error);
    if (code == IPM_OK)
        code = ipm_segment_enter(segment, &own, error);
    if (code != IPM_OK)
        return code;
    code = apply(segment, (ipm_patch){patch, size}, version, time_ns, error);
    return leave(segment, own, code, error);
}

/* ---- Edits ------------------------------------------------------------------------------- */

static int check_is_home(const ipm_segment *segment, ipm_error *error) {
    const ipm_memory *memory = &segment->data.memory;
    if (!ipm_is_shared(memory))
        return ipm_fail(error, IPM_ENOTHOME, 0,
                        "%s: this machine is not its home: it is not shared", segment->name);
    return ipm_share_check(ipm_share_of(memory), segment->name, error);
}

/* In the handle's lock. */
static int edit(ipm_segment *segment, ipm_patch expected, ipm_patch patch, bool *applied,
                ipm_error *error) {
    int code = check_is_home(segment, error);
    if (code == IPM_OK)
        code = check_shape(segment, expected, error);
    if (code == IPM_OK)
        code = check_shape(segment, patch, error);
    if (code != IPM_OK || !has_bytes(segment, expected, segment->data.memory.size))
        return code;
    if (!has_bytes(segment, patch, IPM_HEADER_SIZE))
        return ipm_fail(error, IPM_ECORRUPT, 0, "%s: the patch changes the common header",
                        segment->name);
    code = check_values(segment, patch, true, error);
    if (code != IPM_OK)
        return code;
    segment->edited = true;
    store_runs(segment, patch);
    *applied = true;
    return IPM_OK;
}

int ipm_segment_edit(ipm_segment *segment, const void *expected, size_t expected_size,
                     const void *patch, size_t size, bool *applied, ipm_error *error) {
    bool own;
    *applied = false;
    int code = check_shares(segment, error);
    if (code == IPM_OK)
        code = ipm_segment_enter(segment, &own, error);
    if (code != IPM_OK)
        return code;
    code = edit(segment, (ipm_patch){expected, expected_size}, (ipm_patch){patch, size}, applied,
                error);
    code = leave(segment, own, code, error);
    *applied = *applied && code == IPM_OK;
    return code;
}
