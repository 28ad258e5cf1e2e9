/*
 * Waiting for a commit; interrupting that wait, and waits for the lock.
 */
#include "wait.h"

#include "clock.h"
#include "error.h"
#include "fork.h"
#include "notify.h"
#include "segment.h"

#include <errno.h>

/* The longest sleep at a time: an editor may die before it wakes the sleepers. */
#define SLEEP_SLICE_NS (100 * IPM_MS)

/* The same for a reader without the lock file, which cannot announce that it sleeps. */
#define POLL_NS (10 * IPM_MS)

/* ---- Interrupting ------------------------------------------------------------------------ */

/*
 * The flag is stored before the waiters are woken, as a commit is. A waiter loads the flag after it
 * has announced that it sleeps. Both have a full fence in between. So the waiter sees the flag, or
 * the word that it would sleep on has changed. `waking` keeps the word mapped: see follow.c.
 */
void ipm_segment_interrupt(ipm_segment *segment) {
    if (segment == NULL || segment->generation != ipm_fork_generation)
        return;
    int kept = errno;
    atomic_store_explicit(&segment->interrupted, 1, memory_order_relaxed);
    uint32_t side = atomic_load_explicit(&segment->side, memory_order_seq_cst);
    atomic_fetch_add_explicit(&segment->waking[side], 1, memory_order_seq_cst);
    _Atomic uint32_t *word = atomic_load_explicit(&segment->wakes, memory_order_seq_cst);
    if (word != NULL)
        ipm_notify_all(word);
    atomic_fetch_sub_explicit(&segment->waking[side], 1, memory_order_seq_cst);
    errno = kept;
}

static bool is_interrupted(const ipm_segment *segment) {
    return atomic_load_explicit(&segment->interrupted, memory_order_relaxed) != 0;
}

static void take_interrupt(ipm_segment *segment) {
    atomic_store_explicit(&segment->interrupted, 0, memory_order_relaxed);
}

bool ipm_segment_take_interrupt(ipm_segment *segment) {
    bool was_interrupted = is_interrupted(segment);
    if (was_interrupted)
        take_interrupt(segment);
    return was_interrupted;
}

void ipm_segment_ask(ipm_segment *segment, const void *(*asks)(void *), void *with) {
    segment->asks = asks;
    segment->asks_with = with;
}

int ipm_segment_go_on(ipm_rwlock *lock, bool has_waited) {
    ipm_segment *segment = ipm_segment_of_lock(lock);
    if (is_interrupted(segment)) {
        take_interrupt(segment);
        return EINTR;
    }
    if (has_waited && segment->asks != NULL && segment->asks(segment->asks_with) != NULL)
        return EINTR;
    if (ipm_segment_check_home(segment, NULL) != IPM_OK)
        return EACCES;
    return has_waited && !ipm_segment_has_name(segment) ? ECANCELED : 0;
}

/* ---- Waiting ----------------------------------------------------------------------------- */

/* Sleep for a slice, or until there may be a commit. returns  false: a signal came */
static bool sleep_once(ipm_segment *segment, uint32_t seen, int64_t now, int64_t deadline) {
    int64_t left = deadline - now;
    ipm_lock_head *head = segment->lockfile.head;
    if (head == NULL)
        return ipm_clock_nap(left < POLL_NS ? left : POLL_NS);
    return ipm_notify_wait(&head->notify, seen,
                           left < SLEEP_SLICE_NS ? deadline : now + SLEEP_SLICE_NS) != EINTR;
}

/* Whether the version `now` is news to a program that knows `version`, which may be that of an
 * earlier segment. */
static bool is_news(const ipm_segment *segment, uint64_t version, uint64_t now) {
    return now > version || segment->is_new || (now < version && segment->openings > 1);
}

int ipm_segment_look(ipm_segment *segment, uint64_t version, uint64_t *now, ipm_error *error) {
    int code = ipm_segment_check(segment, error);
    if (code != IPM_OK)
        return code;
    *now = ipm_snapshot_version(&segment->data.memory);
    if (!is_news(segment, version, *now))
        return IPM_ETIMEOUT;
    segment->is_new = false;
    return IPM_OK;
}

/* The same, after announcing that this process sleeps. */
static int look_again(ipm_segment *segment, uint64_t version, uint32_t *seen, uint64_t *now,
                      ipm_error *error) {
    ipm_lock_head *head = segment->lockfile.head;
    *seen = head != NULL ? ipm_notify_announce(&head->notify) : 0;
    return ipm_segment_look(segment, version, now, error);
}

static int interrupted(ipm_segment *segment, ipm_error *error) {
    take_interrupt(segment);
    return ipm_fail(error, IPM_EINTERRUPTED, 0, "%s: the wait for a commit was interrupted",
                    segment->name);
}

int ipm_segment_wait(ipm_segment *segment, uint64_t version, int64_t timeout_ns, uint64_t *now,
                     ipm_error *error) {
    int64_t deadline = ipm_clock_deadline(timeout_ns);
    int64_t look_at = 0; /* when to check the name; 0: not before the next sleep */
    for (;;) {
        uint32_t seen;
        /* First without announcing a sleep, which would cost the next commit a system call. */
        int code = ipm_segment_look(segment, version, now, error);
        if (code == IPM_ETIMEOUT)
            code = look_again(segment, version, &seen, now, error);
        if (code != IPM_ETIMEOUT)
            return code;
        int64_t clock = ipm_clock_now();
        if (look_at != 0 && (clock >= look_at || clock >= deadline)) {
            code = ipm_segment_check_name(segment, error);
            if (code != IPM_OK)
                return code;
            look_at = 0;
            if (segment->is_new)
                continue;
        }
        if (clock >= deadline)
            return ipm_fail(error, IPM_ETIMEOUT, 0, "%s: no commit after version %llu in time",
                            segment->name, (unsigned long long)version);
        if (segment->view != NULL)
            return ipm_fail(error, IPM_EINVALID, 0,
                            "%s: no commit can come while this handle holds its lock",
                            segment->name);
        if (is_interrupted(segment))
            return interrupted(segment, error);
        if (look_at == 0)
            look_at = clock + SLEEP_SLICE_NS;
        if (!sleep_once(segment, seen, clock, deadline))
            return interrupted(segment, error);
    }
}
