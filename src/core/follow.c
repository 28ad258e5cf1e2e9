#include "follow.h"

#include "clock.h"
#include "difference.h"
#include "error.h"
#include "open.h"
#include "options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- Opening the new one ----------------------------------------------------------------- */

static int open_again(ipm_segment *segment, ipm_segment **fresh, ipm_error *error) {
    ipm_options options = segment->options;
    options.tag = segment->names.tag;
    options.mmap_dir = segment->names.mmap_dir;
    options.lock_dir = segment->names.lock_dir;
    const ipm_opening opening = {
        .role = segment->role,
        .access = segment->access,
        .layout = segment->expected.layout,
        .options = &options,
        .looks = segment->gave_up ? 1 : IPM_MANY_LOOKS,
    };
    int code = ipm_segment_open_once(&opening, fresh, error);
    segment->gave_up = code == IPM_ENOTFOUND;
    return code == IPM_ENOTFOUND ? ipm_segment_fail_replaced(segment, error) : code;
}

/* Let the descriptor watch the new file. returns  IPM_EREPLACED: it was replaced in the meantime */
static int listen_on(ipm_segment *segment, const ipm_segment *fresh, ipm_error *error) {
    if (segment->descriptor.fd < 0)
        return IPM_OK;
    return ipm_descriptor_move(&segment->descriptor, segment->names.path, fresh->data.device,
                               fresh->data.inode, fresh->lockfile.head != NULL, error);
}

/* ---- Exchanging -------------------------------------------------------------------------- */

#define EXCHANGE(type, a, b)                                                                       \
    do {                                                                                           \
        type kept_aside = (a);                                                                     \
        (a) = (b);                                                                                 \
        (b) = kept_aside;                                                                          \
    } while (0)

static void exchange_bytes(void *a, void *b, size_t size) {
    unsigned char *x = a, *y = b;
    for (size_t i = 0; i < size; i++)
        EXCHANGE(unsigned char, x[i], y[i]);
}

_Static_assert(offsetof(ipm_datafile, kept) + sizeof(ipm_kept) == sizeof(ipm_datafile), "last");
_Static_assert(offsetof(ipm_lockfile, kept) + sizeof(ipm_kept) == sizeof(ipm_lockfile), "last");

/* The addresses of a data file's parts refer to its own ring. */
static void refer_to_ring(ipm_datafile *data) {
    if (data->memory.ring != NULL)
        data->memory.ring = &data->ring;
}

/* Exchange all parts that belong to the files. Neither handle holds its lock. */
static void exchange_files(ipm_segment *a, ipm_segment *b) {
    exchange_bytes(&a->data, &b->data, offsetof(ipm_datafile, kept));
    ipm_kept_exchange(&a->data.kept, &b->data.kept);
    refer_to_ring(&a->data);
    refer_to_ring(&b->data);
    exchange_bytes(&a->lockfile, &b->lockfile, offsetof(ipm_lockfile, kept));
    ipm_kept_exchange(&a->lockfile.kept, &b->lockfile.kept);
    EXCHANGE(ipm_rwlock, a->lock, b->lock);
    EXCHANGE(unsigned char *, a->copy, b->copy);
    EXCHANGE(ipm_error, a->refusal, b->refusal);
}

static void await_interrupts(ipm_segment *segment, uint32_t side) {
    while (atomic_load_explicit(&segment->waking[side], memory_order_seq_cst) != 0)
        ipm_clock_nap(IPM_MS / 10);
}

/*
 * The old word is unmapped after this, but an interrupt that has loaded its address may still be
 * about to use it. So wait for the interrupts that have begun; later ones load the new address.
 * Later ones count themselves on the other side, so interrupts that never pause do not prolong the
 * wait. First wait for those that had chosen that other side before the last move, but counted
 * themselves late. (The grace period of Desnoyers and others, User-Level Implementations of
 * Read-Copy Update, 2012.)
 */
static void move_wakes(ipm_segment *segment, ipm_segment *fresh) {
    uint32_t side = atomic_load_explicit(&segment->side, memory_order_relaxed);
    atomic_store_explicit(&segment->wakes,
                          atomic_load_explicit(&fresh->wakes, memory_order_relaxed),
                          memory_order_seq_cst);
    await_interrupts(segment, 1 - side);
    atomic_store_explicit(&segment->side, 1 - side, memory_order_seq_cst);
    await_interrupts(segment, side);
}

/* Whether the versions go on in the file that replaces this one: after a migration, or if it was
 * copied on overlayfs. A migrated file that was replaced as well in the meantime is not noticed. */
static bool has_versions_that_go_on(const ipm_datafile *file) {
    uint32_t retired = atomic_load_explicit(&file->memory.state->retired, memory_order_relaxed);
    bool is_copied = retired == IPM_LIVE && file->kept.is_open && ipm_datafile_is_left_behind(file);
    return retired == IPM_MIGRATING || is_copied;
}

/* Room for the layout of the file that the handle leaves. */
static int prepare_past(ipm_segment *segment, ipm_error *error) {
    if (segment->data.described == NULL)
        return IPM_OK;
    void *past = realloc(segment->past, (segment->past_count + 1) * sizeof(ipm_layout *));
    if (past == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot follow %s", segment->names.path);
    segment->past = past;
    return IPM_OK;
}

/* The user may hold types of a layout that the handle has returned, so keep it. If the new file's
 * layout is among those that are kept, that one is the handle's again. */
static void keep_layouts(ipm_segment *segment, ipm_segment *fresh) {
    ipm_layout **now = &segment->data.described;
    if (fresh->data.described != NULL)
        segment->past[segment->past_count++] = fresh->data.described;
    fresh->data.described = NULL;
    for (size_t i = 0; *now != NULL && i < segment->past_count; i++) {
        if (!ipm_layout_is_same(segment->past[i], *now))
            continue;
        fresh->data.described = *now;
        *now = segment->past[i];
        segment->past[i] = segment->past[--segment->past_count];
        return;
    }
}

static void take_over(ipm_segment *segment, ipm_segment *fresh) {
    if (!has_versions_that_go_on(&segment->data))
        segment->first_opening = segment->openings + 1;
    exchange_files(segment, fresh);
    keep_layouts(segment, fresh);
    move_wakes(segment, fresh);
    segment->mmap_dir = fresh->mmap_dir;
    segment->lock_dir = fresh->lock_dir;
    segment->mmap_dir.trust = segment->lock_dir.trust = ipm_options_trust(&segment->options);
    segment->openings++;
    segment->is_new = true;
    ipm_segment_release(fresh);
}

static int follow(ipm_segment *segment, ipm_error *error) {
    for (;;) {
        ipm_segment *fresh;
        int code = open_again(segment, &fresh, error);
        if (code != IPM_OK)
            return code;
        code = prepare_past(segment, error);
        if (code == IPM_OK)
            code = listen_on(segment, fresh, error);
        if (code == IPM_OK) {
            take_over(segment, fresh);
            return IPM_OK;
        }
        ipm_segment_release(fresh);
        if (code != IPM_EREPLACED)
            return code;
    }
}

/* ---- Calls ------------------------------------------------------------------------------- */

static bool may_follow(const ipm_segment *segment) {
    return segment->options.follow && segment->view == NULL;
}

int ipm_segment_go_over(ipm_segment *segment, ipm_error *error) {
    ipm_error detail;
    if (!may_follow(segment) || !ipm_segment_follows(segment))
        return ipm_segment_fail_replaced(segment, error);
    return ipm_report(follow(segment, &detail), &detail, error);
}

int ipm_segment_follow(ipm_segment *segment, ipm_error *error) {
    ipm_error detail;
    int code = ipm_segment_check_fork(segment, error);
    if (code != IPM_OK || !ipm_datafile_is_retired(&segment->data))
        return code;
    if (!may_follow(segment))
        return ipm_segment_fail_replaced(segment, error);
    return ipm_report(follow(segment, &detail), &detail, error);
}

void ipm_segment_try_to_follow(ipm_segment *segment) {
    ipm_error unwanted;
    if (!ipm_segment_has_name(segment) || ipm_datafile_is_retired(&segment->data))
        ipm_segment_go_over(segment, &unwanted);
}

uint64_t ipm_segment_openings(const ipm_segment *segment) {
    return segment->openings;
}
