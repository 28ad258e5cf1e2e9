#include "chaos.h"

#include "stress.h"

#include "../../src/core/segment.h"
#include "../../src/core/word.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

chaos_board *chaos_shared;
ipm_layout *chaos_layouts[2];

static chaos_post *post;
static unsigned words; /* the number of words in the open segment */

static void fault(_Atomic uint64_t *kind, const char *what, uint64_t version) {
    if (atomic_fetch_add(kind, 1) < 20)
        printf("# %s %d: %s, version %llu\n", "process", (int)getpid(), what,
               (unsigned long long)version);
    fflush(stdout);
}

static void nap(int64_t ns) {
    nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

/* Waste some instructions, or rarely the rest of the time slice. */
static void dawdle(void) {
    if (stress_random(50) == 0)
        nap((int64_t)stress_random(100000));
    for (volatile uint64_t turns = stress_random(300); turns > 0; turns--)
        ;
}

/* ---- Opening ----------------------------------------------------------------------------- */

static ipm_segment *open_any(ipm_role role) {
    int64_t start = stress_now();
    for (unsigned turn = 0;; turn++) {
        ipm_segment *segment;
        int code = stress_open(role, chaos_layouts[turn % 2], false, STRESS_KEEP, &segment);
        if (code == IPM_OK) {
            words = chaos_shared->migrates ? CHAOS_WORDS : CHAOS_WORDS + turn % 2;
            return segment;
        }
        if (code != IPM_ENOTFOUND && code != IPM_ELAYOUT && code != IPM_EREPLACED)
            fault(&chaos_shared->wrong, stress_error.text, 0);
        if (stress_now() - start > 2 * STRESS_STUCK_NS) {
            fault(&chaos_shared->stuck, "nobody makes a segment", 0);
            start = stress_now();
        }
        if (turn % 2 != 0)
            nap(500000);
    }
}

/* ---- Counts that all workers share ------------------------------------------------------- */

static uint64_t key_of(const ipm_segment *segment) {
    return chaos_shared->migrates ? 0 : segment->data.inode & UINT32_MAX;
}

/* Raise a shared count of the open data file to `value`. returns  by how much it has grown */
static uint64_t raise_count(_Atomic uint64_t *count, const ipm_segment *segment, uint64_t value) {
    uint64_t own = key_of(segment) << 32 | (value & UINT32_MAX);
    uint64_t seen = atomic_load(count);
    while (seen < own && !atomic_compare_exchange_weak(count, &seen, own))
        ;
    return seen >= own ? 0 : seen >> 32 == own >> 32 ? own - seen : value;
}

/* The last version of this data file that a worker knows to be committed, or 0. */
static uint64_t last_committed(const ipm_segment *segment) {
    uint64_t committed = atomic_load(&chaos_shared->committed);
    return committed >> 32 == key_of(segment) ? committed & UINT32_MAX : 0;
}

static bool take(ipm_segment *segment) {
    atomic_store(&post->bereaved_ns, 0);
    atomic_store(&post->since_ns, stress_now());
    atomic_store(&post->state, CHAOS_WAITS);
    int code = ipm_segment_lock(segment, 2 * STRESS_STUCK_NS, &stress_error);
    int64_t now = stress_now();
    atomic_store(&post->state, code == IPM_OK ? CHAOS_HOLDS : CHAOS_BUSY);
    int64_t bereaved = atomic_load(&post->bereaved_ns);
    int64_t longest = atomic_load(&chaos_shared->longest_ns);
    while (bereaved != 0 && now - bereaved > longest &&
           !atomic_compare_exchange_weak(&chaos_shared->longest_ns, &longest, now - bereaved))
        ;
    if (code == IPM_ETIMEOUT)
        fault(&chaos_shared->stuck, "the lock was not to be had", 0);
    else if (code != IPM_OK && code != IPM_EREPLACED)
        fault(&chaos_shared->wrong, stress_error.text, 0);
    return code == IPM_OK;
}

static bool give(ipm_segment *segment, int (*release)(ipm_segment *, ipm_error *)) {
    int code = release(segment, &stress_error);
    atomic_store(&post->state, CHAOS_BUSY);
    if (code != IPM_OK && code != IPM_EREPLACED)
        fault(&chaos_shared->wrong, stress_error.text, 0);
    return code == IPM_OK;
}

/* Only a segment that was just created or reset may have no values. */
static bool is_intact(const void *data, uint64_t version) {
    bool is_empty = ((const uint64_t *)data)[IPM_HEADER_SIZE / 8] == 0;
    return stress_is_intact(data, words, version) &&
           !(is_empty && chaos_shared->migrates && version > 0);
}

static uint64_t look(ipm_segment *segment, uint64_t at_least) {
    uint64_t version = 0;
    if (!stress_look(segment, words, &version) || !is_intact(ipm_segment_data(segment), version))
        fault(&chaos_shared->torn, "torn under the lock", version);
    else if (version < at_least)
        fault(&chaos_shared->wrong, "a commit was lost", version);
    return version;
}

/* ---- The roles --------------------------------------------------------------------------- */

static void write_slowly(ipm_segment *segment, uint64_t version) {
    uint64_t part[16];
    for (unsigned i = 0; i < words;) {
        unsigned size = 0;
        for (; size < 16 && i + size < words; size++)
            part[size] = stress_word(version, i + size);
        void *at = ipm_segment_change(segment, IPM_HEADER_SIZE + i * 8, size * 8);
        ipm_copy_to_shared(at, part, size * 8);
        i += size;
        dawdle();
    }
}

/* returns  false: the segment was replaced or destroyed */
static bool edit(ipm_segment *segment) {
    ipm_info info = {0};
    uint64_t before = last_committed(segment);
    if (!take(segment))
        return false;
    uint64_t version = look(segment, before);
    ipm_segment_info(segment, &info, NULL);
    chaos_shared->recoveries += raise_count(&chaos_shared->recovered, segment, info.recoveries);
    atomic_store(&chaos_shared->writers[(version + 1) % CHAOS_WRITERS], (int32_t)getpid());
    write_slowly(segment, version + 1);
    if (stress_random(10) == 0)
        return give(segment, ipm_segment_rollback);
    if (!give(segment, ipm_segment_unlock))
        return false;
    raise_count(&chaos_shared->committed, segment, version + 1);
    chaos_shared->commits++;
    return true;
}

static bool read_locked(ipm_segment *segment) {
    uint64_t before = last_committed(segment);
    if (!take(segment))
        return false;
    uint64_t version = look(segment, before);
    dawdle();
    if (look(segment, before) != version)
        fault(&chaos_shared->wrong, "a commit beside a reader's lock", version);
    chaos_shared->locked_reads += 2;
    return give(segment, ipm_segment_unlock);
}

static bool read_snapshot(ipm_segment *segment) {
    uint64_t copy[IPM_HEADER_SIZE / 8 + CHAOS_WORDS + STRESS_MORE];
    uint64_t version, before = last_committed(segment);
    int code = ipm_segment_snapshot(segment, copy, &version, NULL);
    if (code != IPM_OK)
        return false;
    if (!is_intact(copy, version))
        fault(&chaos_shared->torn, "a torn snapshot", version);
    else if (version < before)
        fault(&chaos_shared->wrong, "a snapshot without the last commit", version);
    code = ipm_segment_read(segment, IPM_HEADER_SIZE, words * 8, copy + IPM_HEADER_SIZE / 8, NULL);
    if (code != IPM_OK)
        return false;
    version = stress_version(copy[IPM_HEADER_SIZE / 8]);
    if (!stress_is_intact(copy, words, version) || (chaos_shared->migrates && version < before))
        fault(&chaos_shared->torn, "a torn field", version);
    chaos_shared->snapshots += 2;
    return true;
}

/* Whether the last commit has the time and the writer that it should have. Managers that reset are
 * not known by version, nor are the versions of different files told apart. */
static void check_signature(ipm_segment *segment) {
    ipm_info info = {.own_size = sizeof info};
    if (ipm_segment_info(segment, &info, NULL) != IPM_OK || info.version == 0)
        return;
    int32_t writer = atomic_load(&chaos_shared->writers[info.version % CHAOS_WRITERS]);
    if (info.last_commit < chaos_shared->started || info.last_commit > ipm_time())
        fault(&chaos_shared->wrong, "a commit at a time that cannot be", info.version);
    else if (info.last_writer <= 0 || info.last_writer_life == IPM_LIFE_UNKNOWN)
        fault(&chaos_shared->wrong, "a commit without a writer", info.version);
    else if (chaos_shared->migrates && info.last_writer != writer)
        fault(&chaos_shared->wrong, "a commit of another process", info.version);
    chaos_shared->signatures++;
}

static bool await(ipm_segment *segment) {
    uint64_t version, now;
    if (ipm_segment_version(segment, &version, NULL) != IPM_OK)
        return false;
    check_signature(segment);
    int code = ipm_segment_wait(segment, version, 20 * STRESS_MS, &now, NULL);
    if (code == IPM_OK && now <= version)
        fault(&chaos_shared->wrong, "a wait for nothing", now);
    chaos_shared->awaited += code == IPM_OK;
    return code == IPM_OK || code == IPM_ETIMEOUT;
}

static void use(ipm_role role, bool (*turn)(ipm_segment *)) __attribute__((noreturn));
static void use(ipm_role role, bool (*turn)(ipm_segment *)) {
    for (;;) {
        ipm_segment *segment = open_any(role);
        while (turn(segment) && stress_random(1000) != 0)
            if (role == IPM_READER) /* leave the processor to the writers */
                nap((int64_t)stress_random(200000));
        ipm_segment_close(segment, NULL);
    }
}

/* Mostly reset the segment. Sometimes replace it by another layout, or destroy it for a moment. */
static void manage(void) __attribute__((noreturn));
static void manage(void) {
    for (;;) {
        ipm_segment *segment;
        unsigned choice = (unsigned)stress_random(20);
        unsigned wanted = choice == 0; /* the other layout */
        int code = stress_open(IPM_MANAGER, chaos_layouts[wanted], true, STRESS_FORCE, &segment);
        if (code != IPM_OK && code != IPM_EREPLACED)
            fault(&chaos_shared->wrong, stress_error.text, 0);
        (choice == 0 ? &chaos_shared->replacements : &chaos_shared->resets)[0]++;
        if (code == IPM_OK && choice == 1) {
            ipm_segment_destroy(segment, NULL);
            chaos_shared->destructions++;
        }
        ipm_segment_close(segment, NULL);
        nap((int64_t)stress_random(20 * STRESS_MS));
    }
}

/* Migrate it back and forth. */
static void migrate(void) __attribute__((noreturn));
static void migrate(void) {
    for (;;) {
        ipm_segment *segment;
        const ipm_layout *wanted = chaos_layouts[stress_random(2)];
        uint64_t before = atomic_load(&chaos_shared->committed), version;
        int code = stress_open(IPM_MANAGER, wanted, true, STRESS_MIGRATE, &segment);
        if (code == IPM_ETIMEOUT)
            fault(&chaos_shared->stuck, stress_error.text, 0);
        else if (code != IPM_OK && code != IPM_EREPLACED)
            fault(&chaos_shared->wrong, stress_error.text, 0);
        if (code == IPM_OK) {
            chaos_shared->replacements += ipm_segment_migration(segment) != NULL;
            if (ipm_segment_version(segment, &version, NULL) == IPM_OK && version < before)
                fault(&chaos_shared->wrong, "a migration lost a commit", version);
        }
        ipm_segment_close(segment, NULL);
        nap((int64_t)stress_random(2 * STRESS_MS));
    }
}

void chaos_work(unsigned number) {
    post = &chaos_shared->posts[number];
    switch (number) {
    case CHAOS_EDITORS:
    case CHAOS_EDITORS + 1:
        use(IPM_READER, read_locked);
    case CHAOS_EDITORS + 2:
        use(IPM_READER, read_snapshot);
    case CHAOS_EDITORS + 3:
        use(IPM_READER, await);
    case CHAOS_MANAGER:
        chaos_shared->migrates ? migrate() : manage();
    default:
        use(IPM_EDITOR, edit);
    }
}
