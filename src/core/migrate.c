#include "migrate.h"

#include "clock.h"
#include "conversion.h"
#include "error.h"
#include "file.h"
#include "open.h"
#include "segment.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* All that a migration holds until it ends. */
typedef struct migrating {
    ipm_layout *old_layout;
    ipm_segment *old;
    char *temporary; /* the new file's name, until it gets its own; or NULL */
    ipm_conversion *conversion;
} migrating;

/* Find out what is to be done, from the two layouts alone. */
static int plan_migration(migrating *m, const char *path, const ipm_layout *layout, bool lossy,
                          ipm_error *error) {
    ipm_error detail;
    int code = ipm_datafile_describe(path, IPM_WRITE, &m->old_layout, error);
    if (code != IPM_OK)
        return code;
    const ipm_type *from = ipm_layout_type(m->old_layout), *to = ipm_layout_type(layout);
    if (strcmp(from->name, to->name) != 0)
        return ipm_fail(error, IPM_ELAYOUT, 0, "%s holds a %s, which is not migrated to a %s", path,
                        from->name, to->name);
    code = ipm_conversion_plan(from, to, lossy, &m->conversion, &detail);
    if (code == IPM_ELAYOUT)
        return ipm_fail(error, code, 0, "%s (%s)", detail.text, path);
    return ipm_report(code, &detail, error);
}

static int open_old(migrating *m, const ipm_names *names, const ipm_options *options,
                    ipm_error *error) {
    const ipm_options editor = {
        .own_size = sizeof editor,
        .path = names->path,
        .lock_dir = names->lock_dir,
        .trust = options->trust,
        .trust_count = options->trust_count,
    };
    int code = ipm_segment_open_for(IPM_EDITOR, IPM_WRITE, m->old_layout, &editor, &m->old, error);
    if (code == IPM_OK)
        m->old->options.shares = options->shares;
    return code;
}

/* The bytes of the new file's ring: those asked for, or as many as the old file has, or more if the
 * new struct needs more. */
static uint64_t ring_bytes(const ipm_options *options, const ipm_datafile *old,
                           const ipm_layout *layout) {
    uint64_t kept = old->geometry.ring_size;
    uint64_t most = ipm_record_most(ipm_layout_type(layout)->size);
    if (options->feed != 0)
        return options->feed;
    return kept != 0 && kept < most ? most : kept;
}

/* Make the new file before the old segment is locked: allocating it may take long. */
static int make_new(migrating *m, ipm_segment *segment, const ipm_layout *layout,
                    const ipm_options *options, ipm_error *error) {
    const char *path = segment->names.path;
    const ipm_datafile *old = &m->old->data;
    ipm_options kept = *options;
    kept.mode = old->mode;
    kept.max_readers = old->max_readers;
    kept.feed = ring_bytes(options, old, layout);
    kept.init = NULL;
    struct stat status;
    if (lstat(path, &status) != 0)
        return ipm_fail_errno(error, errno, "cannot examine %s", path);
    const ipm_expected expected = {layout, IPM_EXACT};
    int code = ipm_datafile_make(path, layout, &kept, &m->temporary, error);
    if (code == IPM_OK)
        code = ipm_file_keep_owner(m->temporary, path, &status, error);
    if (code == IPM_OK)
        code = ipm_datafile_open(m->temporary, NULL, IPM_WRITE, expected, &segment->data, error);
    return code;
}

/*
 * Give the new file the version of the old one, and who committed it and when. The sequence is as
 * after so many commits, the last of which changed every block: so a copy of an older version is
 * brought up to date as a whole, see ipm_segment_changed.
 */
static void carry_on(const ipm_memory *new, const ipm_memory *old) {
    ipm_state *state = new->state;
    const ipm_last last = ipm_snapshot_last(old);
    uint64_t version = last.version;
    uint64_t sequence = 2 * version, tags = ipm_tag_count(new->size);
    for (uint64_t i = 0; version != 0 && i < tags; i++)
        atomic_store_explicit(&new->tags[0][i], sequence - 1, memory_order_relaxed);
    atomic_store_explicit(&state->sequence, sequence, memory_order_relaxed);
    atomic_store_explicit(&state->version_undone, version, memory_order_relaxed);
    uint64_t recoveries = atomic_load_explicit(&old->state->recoveries, memory_order_relaxed);
    atomic_store_explicit(&state->version, version, memory_order_relaxed);
    atomic_store_explicit(&state->version_before, version, memory_order_relaxed);
    atomic_store_explicit(&state->recoveries, recoveries, memory_order_relaxed);
    ipm_transaction_sign(state, &last);
}

/*
 * Give the new file the values and the name of the old one, whose lock is held. Retire the old one
 * first, as in `replace`; the flag says that the values are still needed, in case this process dies
 * before the new file has the name. Write the new file to the disk first: if the machine goes down
 * later, the name must not lead to a file without its values.
 */
static int switch_over(migrating *m, ipm_segment *segment, ipm_error *error) {
    const char *path = segment->names.path;
    ipm_datafile *old = &m->old->data, *new = &segment->data;
    ipm_error detail;
    int code = ipm_conversion_run(m->conversion, old->memory.data, new->memory.data, &detail);
    if (code != IPM_OK)
        return ipm_fail(error, code, 0, "%s (%s)", detail.text, path);
    carry_on(&new->memory, &old->memory);
    ipm_share_carry(ipm_share_of(&new->memory), ipm_share_of(&old->memory));
    if (msync(new->map, new->geometry.file_size, MS_SYNC) != 0)
        return ipm_fail_errno(error, errno, "cannot write %s to disk", path);
    code = ipm_segment_check_name(m->old, error);
    if (code == IPM_OK)
        code = ipm_segment_check_home(m->old, error);
    if (code != IPM_OK)
        return code;
    ipm_datafile_retire(old, IPM_MIGRATING);
    code = ipm_datafile_place(m->temporary, path, true, error);
    if (code != IPM_OK)
        ipm_datafile_retire(old, IPM_LIVE);
    return code;
}

static void end_migration(migrating *m, bool done) {
    if (m->temporary != NULL && !done)
        unlink(m->temporary);
    free(m->temporary);
    if (m->old != NULL)
        ipm_segment_release(m->old);
    ipm_layout_free(m->old_layout);
}

int ipm_migrate_segment(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
                        ipm_error *error) {
    migrating m = {0};
    bool lossy = options->migrate == IPM_MIGRATE_LOSSY;
    int code = plan_migration(&m, segment->names.path, layout, lossy, error);
    if (code == IPM_OK)
        code = open_old(&m, &segment->names, options, error);
    if (code == IPM_OK)
        code = make_new(&m, segment, layout, options, error);
    if (code == IPM_OK)
        code = ipm_segment_lock(m.old, IPM_PATIENCE_NS, error);
    if (code == IPM_OK) {
        code = switch_over(&m, segment, error);
        ipm_segment_rollback(m.old, NULL); /* nothing was changed: it is unlocked */
    }
    if (code == IPM_OK) {
        segment->migration = &m.conversion->report;
        segment->deadline = ipm_clock_deadline(IPM_PATIENCE_NS);
    } else if (m.conversion != NULL) {
        ipm_migration_free(&m.conversion->report);
    }
    end_migration(&m, code == IPM_OK);
    return code;
}

const ipm_migration *ipm_segment_migration(const ipm_segment *segment) {
    return segment->migration;
}
