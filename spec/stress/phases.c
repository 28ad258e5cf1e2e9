#include "phases.h"

#include "stress.h"

#include "../../src/core/lockfile.h"

#include <string.h>

ipm_layout *phase_layout, *phase_other_layout;

static ipm_segment *handle;

/* These functions ignore results: the sweep checks what the surviving processes find. */

static void open_editor(void) {
    handle = stress_must_open(IPM_EDITOR, phase_layout, false);
}

static void open_reader(void) {
    handle = stress_must_open(IPM_READER, phase_layout, false);
}

static void open_manager(void) {
    handle = stress_must_open(IPM_MANAGER, phase_layout, false);
}

static void lock(void) {
    ipm_segment_lock(handle, IPM_FOREVER, NULL);
}

static void unlock(void) {
    ipm_segment_unlock(handle, NULL);
}

static void rollback(void) {
    ipm_segment_rollback(handle, NULL);
}

static void write_all(void) {
    stress_write(handle, PHASE_WORDS);
}

static void close_handle(void) {
    ipm_segment_close(handle, NULL);
}

static void destroy(void) {
    ipm_segment_destroy(handle, NULL);
}

static void wait_for_commit(void) {
    uint64_t now;
    ipm_segment_wait(handle, 1, 2 * STRESS_MS, &now, NULL);
}

static void open_and_lock(void) {
    open_editor();
    lock();
}

static void open_and_lock_reader(void) {
    open_reader();
    lock();
}

static void open_and_write(void) {
    open_and_lock();
    write_all();
}

static void open_existing(void) {
    stress_open(IPM_EDITOR, phase_layout, false, STRESS_KEEP, &handle);
}

static void create(void) {
    stress_open(IPM_MANAGER, phase_layout, true, STRESS_KEEP, &handle);
}

static void reset(void) {
    stress_open(IPM_MANAGER, phase_layout, true, STRESS_FORCE, &handle);
}

static void replace(void) {
    stress_open(IPM_MANAGER, phase_other_layout, true, STRESS_FORCE, &handle);
}

static void migrate(void) {
    stress_open(IPM_MANAGER, phase_other_layout, true, STRESS_MIGRATE, &handle);
}

/* The patch of a whole struct, of the version after the skipped ones. */
static struct {
    uint64_t version;
    unsigned char bytes[IPM_RUN_HEADER + PHASE_WORDS * 8];
} patch;

static void open_sharer(void) {
    const ipm_options options = {
        .own_size = sizeof options, .mmap_dir = stress_dir, .shares = true};
    const uint64_t offset = IPM_HEADER_SIZE;
    const uint32_t size = PHASE_WORDS * 8;
    if (ipm_segment_open(IPM_MANAGER, phase_layout, &options, &handle, NULL) != IPM_OK ||
        ipm_segment_version(handle, &patch.version, NULL) != IPM_OK)
        stress_die("cannot open the segment to share it");
    patch.version += 1 + PHASE_SKIPPED;
    memcpy(patch.bytes, &offset, sizeof offset);
    memcpy(patch.bytes + sizeof offset, &size, sizeof size);
    for (unsigned i = 0; i < PHASE_WORDS; i++) {
        const uint64_t word = stress_word(patch.version, i);
        memcpy(patch.bytes + IPM_RUN_HEADER + i * 8, &word, sizeof word);
    }
}

static void apply(void) {
    ipm_segment_apply(handle, patch.bytes, sizeof patch.bytes, patch.version, 0, NULL);
}

static void open_lock_file(void) {
    ipm_lockfile file;
    ipm_error error;
    const ipm_lockfile_terms terms = {
        .owner = IPM_NOBODY, .mode = 0600, .slots = 2, .deadline = IPM_FOREVER};
    ipm_lockfile_open(stress_lock_path(), &terms, &file, &error);
}

const phase_kind phases[] = {
    {.name = "open", .run = open_existing, .newcomers = true, .opens = true},
    {.name = "initialise the lock file",
     .scene = NO_LOCK,
     .run = open_lock_file,
     .newcomers = true},
    {.name = "create",
     .scene = NOTHING,
     .outcome = ANOTHER,
     .run = create,
     .newcomers = true,
     .opens = true},
    {.name = "replace",
     .outcome = ANOTHER,
     .run = replace,
     .way = STRESS_FORCE,
     .newcomers = true,
     .opens = true},
    {.name = "migrate",
     .outcome = MIGRATED,
     .run = migrate,
     .way = STRESS_MIGRATE,
     .newcomers = true,
     .opens = true},
    {.name = "migrate behind a writer",
     .holder = A_WRITER,
     .outcome = MIGRATED,
     .run = migrate,
     .way = STRESS_MIGRATE,
     .newcomers = true,
     .opens = true},
    {.name = "reset", .outcome = ZEROED, .run = reset, .opens = true},
    {.name = "destroy",
     .outcome = ANOTHER,
     .before = open_manager,
     .run = destroy,
     .newcomers = true},
    {.name = "read lock", .before = open_reader, .run = lock},
    {.name = "read lock behind a writer", .holder = A_WRITER, .before = open_reader, .run = lock},
    {.name = "read lock after a dead writer",
     .scene = DEAD_WRITER,
     .before = open_reader,
     .run = lock},
    {.name = "read unlock", .holder = VICTIM, .before = open_and_lock_reader, .run = unlock},
    {.name = "write lock", .before = open_editor, .run = lock},
    {.name = "write lock behind a writer", .holder = A_WRITER, .before = open_editor, .run = lock},
    {.name = "write lock behind a reader", .holder = A_READER, .before = open_editor, .run = lock},
    {.name = "recovery", .scene = DEAD_WRITER, .before = open_editor, .run = lock},
    {.name = "write", .holder = VICTIM, .before = open_and_lock, .run = write_all},
    {.name = "commit and unlock",
     .holder = VICTIM,
     .outcome = COMMIT,
     .before = open_and_write,
     .run = unlock},
    {.name = "commit, awaited",
     .holder = VICTIM,
     .outcome = COMMIT,
     .before = open_and_write,
     .run = unlock,
     .sleepers = true},
    {.name = "commit with a ring",
     .holder = VICTIM,
     .outcome = COMMIT,
     .before = open_and_write,
     .run = unlock,
     .has_ring = true},
    {.name = "rollback with a ring",
     .holder = VICTIM,
     .before = open_and_write,
     .run = rollback,
     .has_ring = true},
    {.name = "recovery with a ring",
     .scene = DEAD_WRITER,
     .before = open_editor,
     .run = lock,
     .has_ring = true},
    {.name = "apply",
     .outcome = COMMIT,
     .before = open_sharer,
     .run = apply,
     .skipped = PHASE_SKIPPED},
    {.name = "apply with a ring",
     .outcome = COMMIT,
     .before = open_sharer,
     .run = apply,
     .has_ring = true,
     .skipped = PHASE_SKIPPED},
    {.name = "unlock without a change", .holder = VICTIM, .before = open_and_lock, .run = unlock},
    {.name = "rollback", .holder = VICTIM, .before = open_and_write, .run = rollback},
    {.name = "close while writing",
     .holder = VICTIM,
     .before = open_and_write,
     .run = close_handle},
    {.name = "wait", .before = open_reader, .run = wait_for_commit, .sleepers = true},
};

const unsigned phase_count = sizeof phases / sizeof *phases;
