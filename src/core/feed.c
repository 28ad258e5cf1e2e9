/*
 * Following a segment's commits.
 *
 * The feed has a private copy of the struct. Each record of the ring leads it to the next version.
 * If the ring has overwritten the next record, the feed takes a snapshot of the latest version, and
 * goes back from there by the records that the ring still has: see seek.
 */
#include "segment.h"

#include "error.h"
#include "follow.h"
#include "page.h"
#include "reserve.h"

#include <stdlib.h>
#include <string.h>

/* Records that were copied from the ring at once. They are private, and whole. */
typedef struct batch {
    unsigned char *bytes;
    uint64_t room;
    uint64_t start; /* the position of the first byte */
    uint64_t from;  /* the records before it were overwritten, perhaps while they were copied */
    uint64_t end;
} batch;

struct ipm_feed {
    ipm_segment *segment;
    uint64_t openings;        /* of the segment when the feed began with it: see start_again */
    uint64_t size;            /* of the struct */
    unsigned char *value;     /* the struct as of `version` */
    unsigned char *before;    /* as of the version that was told before */
    uint64_t *flags;          /* a bit for each block: the two may differ there */
    const ipm_record *record; /* the last one that was found, in the batch */
    const ipm_record *step;   /* the one by which `value` and `before` differ; NULL: see `flags` */
    uint64_t version;         /* not told yet, if a seek has gone past the next one */
    uint64_t told;
    uint64_t since;    /* without a ring: the sequence from which blocks may have changed */
    uint64_t position; /* of the record that leads to the next version */
    uint64_t head;     /* of the ring, as it was seen last */
    bool is_behind;    /* it has not caught up with the head since the last seek */
    batch batch;
    double time;
    uint64_t reserved; /* the size of the memory at `value` */
};

#define BATCH 16384 /* bytes that are copied from the ring at once, at most; or one record */

/* ---- The copies -------------------------------------------------------------------------- */

static uint64_t block_count(const ipm_feed *feed) {
    return ipm_block_count(feed->size);
}

static uint64_t flags_size(const ipm_feed *feed) {
    return (block_count(feed) + 63) / 64 * 8;
}

static bool is_flagged(const ipm_feed *feed, uint64_t block) {
    return (feed->flags[block / 64] >> block % 64 & 1) != 0;
}

/* Make `before` equal to `value`. */
static void keep_value(ipm_feed *feed) {
    if (feed->step != NULL) {
        ipm_record_apply(feed->step, feed->size, feed->before, feed->flags, false);
        return;
    }
    for (uint64_t block = 0; block < block_count(feed); block++)
        if (is_flagged(feed, block)) {
            uint64_t at = block << IPM_BLOCK_SHIFT, left = feed->size - at;
            memcpy(feed->before + at, feed->value + at,
                   left < IPM_BLOCK_SIZE ? left : IPM_BLOCK_SIZE);
        }
    memset(feed->flags, 0, flags_size(feed));
}

/* `value` may differ from `before` anywhere. */
static void flag_all(ipm_feed *feed) {
    feed->step = NULL;
    memset(feed->flags, 0xFF, flags_size(feed));
}

/* ---- The ring ---------------------------------------------------------------------------- */

static const ipm_memory *memory_of(const ipm_feed *feed) {
    return &feed->segment->data.memory;
}

/* Copy what the ring has from a position on, which lies before the head. */
static void fill_batch(ipm_feed *feed, uint64_t at) {
    batch *b = &feed->batch;
    const uint64_t left = feed->head - at, most = memory_of(feed)->ring->size;
    uint64_t size = (left < b->room ? left : b->room) & ~UINT64_C(7);
    if (size > most) /* the tail has passed the position */
        size = most;
    uint64_t tail = ipm_ring_copy(memory_of(feed), at, b->bytes, size);
    *b = (batch){b->bytes, b->room, at, tail > at ? tail : at, at + size};
}

typedef enum reading { READ, GONE, WRONG } reading;

/* Find the record at a position in the batch. GONE: it is not there, or only a part of it. */
static reading look_in_batch(ipm_feed *feed, uint64_t at) {
    const batch *b = &feed->batch;
    if (at < b->from || at >= b->end || b->end - at < sizeof(ipm_record))
        return GONE;
    const ipm_record *record = (const ipm_record *)(void *)(b->bytes + (at - b->start));
    if (!ipm_record_is_at(record, at, feed->head - at))
        return WRONG;
    feed->record = record;
    return record->size <= b->end - at ? READ : GONE;
}

/* Find the record at a position before the head. GONE: the tail has passed it, and is batch.from;
 * WRONG: the ring is damaged. */
static reading find_record(ipm_feed *feed, uint64_t at) {
    if (at % 8 != 0)
        return WRONG;
    reading found = look_in_batch(feed, at);
    if (found != GONE)
        return found;
    fill_batch(feed, at);
    found = look_in_batch(feed, at);
    return found == GONE && feed->batch.from <= at ? WRONG : found;
}

/* Go on by the next record. returns  false: it cannot be read; `value` may be spoiled */
static bool take_record(ipm_feed *feed) {
    if (feed->position >= feed->head) {
        feed->is_behind = false;
        ipm_snapshot_head(memory_of(feed), &feed->head);
    }
    if (feed->position >= feed->head || find_record(feed, feed->position) != READ ||
        !ipm_record_follows(feed->record, feed->version) ||
        !ipm_record_apply(feed->record, feed->size, feed->value, feed->flags, true))
        return false;
    feed->version = ipm_record_version(feed->record);
    feed->position += feed->record->size;
    feed->time = (double)feed->record->time / 1e9;
    return true;
}

/* Take the latest version. Blocks that were last changed before the sequence `since` are in `value`
 * already; 0: none. */
static void take_latest(ipm_feed *feed, uint64_t since) {
    const ipm_memory *memory = memory_of(feed);
    ipm_snapshot snapshot;
    ipm_snapshot_start(&snapshot, memory, 0, memory->size, feed->value);
    snapshot.since = since;
    feed->since = ipm_sequence_now(memory);
    ipm_segment_take(feed->segment, &snapshot);
    feed->version = snapshot.version;
    feed->position = feed->head = snapshot.head;
    feed->time = 0;
}

/*
 * Go back from the latest version, which was just taken, to the oldest one from `wanted` on whose
 * later records the ring still has. Records before the position `from` are not used.
 * returns  false: the ring went by, or is damaged, and `value` is spoiled
 */
static bool go_back(ipm_feed *feed, uint64_t wanted, uint64_t from) {
    const uint64_t latest = feed->version, head = feed->head;
    uint64_t at = ipm_ring_tail(memory_of(feed)), applied = 0; /* the last record's version */
    while (at < head) {
        reading found = find_record(feed, at);
        if (found == GONE) { /* and so is any record that was applied: then seek starts again */
            at = feed->batch.from;
            continue;
        }
        if (found != READ)
            return false;
        const ipm_record *record = feed->record;
        if (at >= from && ipm_record_version(record) > wanted) {
            if (applied == 0) {
                /* Which version it leads from is not known if it skips: so that one is not told. */
                feed->version = ipm_record_skips(record) ? wanted : record->version - 1;
                feed->position = at;
            }
            if ((applied != 0 && !ipm_record_follows(record, applied)) ||
                !ipm_record_apply(record, feed->size, feed->value, NULL, false))
                return false;
            applied = ipm_record_version(record);
        }
        at += record->size;
    }
    return at == head && (applied == 0 || applied == latest);
}

/*
 * Make `value` the struct as of `wanted`, or as of the oldest later version that can be told, and
 * copy the records that come next. Beside editors that never rest, the ring may overtake the way
 * back from the tail. Then half of the ring is enough, and if that fails too, the latest version. A
 * feed that falls behind again before it has caught up begins with half of the ring: otherwise it
 * would have to seek for every few commits.
 */
static void seek(ipm_feed *feed, uint64_t wanted) {
    const ipm_ring *ring = memory_of(feed)->ring;
    flag_all(feed);
    for (uint64_t halves = feed->is_behind ? 1 : 0;; halves++) {
        take_latest(feed, 0);
        uint64_t tail = ipm_ring_tail(memory_of(feed)), kept = feed->head - tail;
        if (ring == NULL || wanted >= feed->version || halves > 1 || kept > ring->size)
            return;
        if (go_back(feed, wanted, tail + kept / 2 * halves) &&
            (feed->position == feed->head || find_record(feed, feed->position) == READ)) {
            feed->is_behind = true;
            return;
        }
    }
}

/* ---- Without a ring ---------------------------------------------------------------------- */

/* Take the latest version, and copy only what was changed since the one before it. */
static void take_changes(ipm_feed *feed) {
    const ipm_memory *memory = memory_of(feed);
    uint64_t since = feed->since, count = block_count(feed);
    take_latest(feed, since);
    feed->step = NULL;
    for (uint64_t block = 0; (block = ipm_next_saved(memory, since, block, count)) < count; block++)
        feed->flags[block / 64] |= UINT64_C(1) << block % 64;
}

/* ---- The interface ----------------------------------------------------------------------- */

/* Addresses for a feed's copies, in one piece of memory. */
static int prepare_feed(ipm_feed *feed, ipm_error *error) {
    const ipm_memory *memory = memory_of(feed);
    const uint64_t copy = ipm_page_up(memory->size), flags = ipm_page_up(flags_size(feed));
    const uint64_t most = ipm_record_most(memory->size), room = most > BATCH ? most : BATCH;
    feed->reserved = 2 * copy + flags + room;
    void *made = NULL;
    int code = ipm_reserve(feed->reserved, feed->segment->name, &made, error);
    if (code != IPM_OK)
        return code;
    unsigned char *reserved = made;
    feed->value = reserved;
    feed->before = reserved + copy;
    feed->flags = (uint64_t *)(void *)(reserved + 2 * copy);
    feed->batch = (batch){.bytes = reserved + 2 * copy + flags, .room = room};
    return IPM_OK;
}

static int open_feed(ipm_segment *segment, uint64_t version, ipm_feed **feed, ipm_error *error) {
    uint64_t latest;
    *feed = NULL;
    int code = ipm_segment_version(segment, &latest, error);
    if (code == IPM_OK && version > latest && version != IPM_LATEST)
        code = ipm_fail(error, IPM_EINVALID, 0, "%s: there is no version %llu yet", segment->name,
                        (unsigned long long)version);
    if (code != IPM_OK)
        return code;
    ipm_feed *made = calloc(1, sizeof *made);
    if (made == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot open a feed of %s", segment->name);
    made->segment = segment;
    made->openings = segment->openings;
    made->size = segment->data.memory.size;
    code = prepare_feed(made, error);
    if (code != IPM_OK) {
        free(made);
        return code;
    }
    seek(made, version);
    keep_value(made);
    made->told = version != IPM_LATEST ? version : made->version;
    *feed = made;
    return IPM_OK;
}

int ipm_feed_open(ipm_segment *segment, uint64_t version, ipm_feed **feed, ipm_error *error) {
    ipm_error detail;
    return ipm_report(open_feed(segment, version, feed, &detail), &detail, error);
}

void ipm_feed_close(ipm_feed *feed) {
    if (feed == NULL)
        return;
    ipm_unreserve(feed->value, feed->reserved);
    free(feed);
}

/* Go on from `told` to the next version that can be told. */
static void move_on(ipm_feed *feed) {
    if (feed->version > feed->told) /* a seek has gone past the next one */
        return;
    keep_value(feed);
    if (memory_of(feed)->ring == NULL) {
        take_changes(feed);
        return;
    }
    if (take_record(feed)) {
        feed->step = feed->record;
        return;
    }
    seek(feed, feed->told);
    if (feed->version == feed->told && !take_record(feed)) {
        flag_all(feed);
        take_latest(feed, 0);
    }
}

/* Whether the next commit is in the batch. Then it needs no look at shared memory, which would slow
 * the editors down. */
static bool has_next(ipm_feed *feed) {
    return feed->version == feed->told && look_in_batch(feed, feed->position) == READ &&
           ipm_record_follows(feed->record, feed->told);
}

/* The version after which the feed goes on in the segment that its handle has followed to. After a
 * migration the versions go on, otherwise they begin again. */
static uint64_t version_to_go_on(const ipm_feed *feed) {
    bool go_on = feed->openings >= feed->segment->first_opening &&
                 feed->told <= ipm_snapshot_version(memory_of(feed));
    return go_on ? feed->told : 0;
}

/* The handle has followed. Go on with the commits of the new segment. */
static int start_again(ipm_feed *feed, ipm_error *error) {
    ipm_segment *segment = feed->segment;
    if (!ipm_segment_follows(segment) || memory_of(feed)->size != feed->size)
        return ipm_fail(error, IPM_EREPLACED, 0,
                        "%s was replaced by a segment whose layout may differ: open a new feed",
                        segment->names.path);
    feed->told = version_to_go_on(feed);
    feed->openings = segment->openings;
    feed->batch.from = feed->batch.end = 0;
    seek(feed, feed->told);
    return IPM_OK;
}

int ipm_feed_reopen(const ipm_feed *old, ipm_feed **feed, ipm_error *error) {
    return ipm_feed_open(old->segment, version_to_go_on(old), feed, error);
}

static bool has_moved(const ipm_feed *feed) {
    return feed->openings != feed->segment->openings;
}

/* Return once there is a commit to tell. Those of a segment that was replaced come first. */
static int await_commit(ipm_feed *feed, int64_t timeout_ns, ipm_error *error) {
    uint64_t now;
    int code = ipm_segment_check_fork(feed->segment, error);
    if (code == IPM_OK && has_moved(feed))
        code = start_again(feed, error);
    while (code == IPM_OK && !has_next(feed) &&
           ipm_snapshot_version(memory_of(feed)) <= feed->told) {
        code = ipm_segment_wait(feed->segment, feed->told, timeout_ns, &now, error);
        if (code == IPM_OK && has_moved(feed))
            code = start_again(feed, error);
    }
    return code;
}

int ipm_feed_next(ipm_feed *feed, int64_t timeout_ns, uint64_t *version, uint64_t *missed,
                  ipm_error *error) {
    int code = await_commit(feed, timeout_ns, error);
    if (code != IPM_OK)
        return code;
    const uint64_t told = feed->told;
    move_on(feed);
    feed->told = feed->version;
    if (feed->version <= told)
        return ipm_fail(error, IPM_ECORRUPT, 0,
                        "%s is damaged: it said that there is a version after %llu, and has none",
                        feed->segment->names.path, (unsigned long long)told);
    if (version != NULL)
        *version = feed->version;
    if (missed != NULL)
        *missed = feed->version - told - 1;
    return IPM_OK;
}

const void *ipm_feed_value(const ipm_feed *feed) {
    return feed->value;
}

double ipm_feed_time(const ipm_feed *feed) {
    return feed->time;
}

/* The first byte from `at` on in which the two copies differ; or the struct's size. */
static uint64_t next_difference(const ipm_feed *feed, uint64_t at) {
    const uint64_t size = feed->size;
    while (at < size) {
        uint64_t next = (at | (IPM_BLOCK_SIZE - 1)) + 1, end = next < size ? next : size;
        if (is_flagged(feed, at >> IPM_BLOCK_SHIFT) &&
            memcmp(feed->value + at, feed->before + at, end - at) != 0)
            break;
        at = end;
    }
    while (at < size && feed->value[at] == feed->before[at])
        at++;
    return at;
}

bool ipm_feed_changes(const ipm_feed *feed, ipm_range *range) {
    const uint64_t size = feed->size;
    uint64_t end = range->offset = next_difference(feed, range->offset + range->size);
    while (end < size && feed->value[end] != feed->before[end])
        end++;
    range->size = end - range->offset;
    return range->size != 0;
}
