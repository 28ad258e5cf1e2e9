/*
 * Opening, closing and destroying a segment.
 */
#include "open.h"

#include "abandon.h"
#include "clock.h"
#include "create.h"
#include "error.h"
#include "file.h"
#include "fork.h"
#include "notify.h"
#include "options.h"
#include "reserve.h"
#include "resident.h"
#include "segment.h"
#include "wait.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* The time between two tries to open a segment that does not exist yet. A try takes about ten
 * system calls. */
#define FIRST_NAP_NS IPM_MS
#define LAST_NAP_NS (50 * IPM_MS)

/* ---- Opening ----------------------------------------------------------------------------- */

/* A reader that cannot use the lock file still has all lock-free reads. */
static bool goes_lock_free(ipm_role role, int code) {
    return role == IPM_READER && (code == IPM_EPERMISSION || code == IPM_EINCOMPATIBLE ||
                                  code == IPM_ENOSPACE || code == IPM_ETIMEOUT);
}

static void close_files(ipm_segment *segment) {
    ipm_lockfile_close(&segment->lockfile);
    ipm_datafile_close(&segment->data);
}

/* Open the data file, unless ipm_create has found it and left it open. */
static int open_data(ipm_segment *segment, ipm_error *error) {
    const char *path = segment->names.path;
    if (segment->data.map != NULL)
        return IPM_OK;
    int code = ipm_datafile_open(path, &segment->mmap_dir, segment->access, segment->expected,
                                 &segment->data, error);
    if (code == IPM_ENOTFOUND)
        return ipm_fail_errno(error, ENOENT,
                              "cannot open %s (a manager with the option create makes it)", path);
    return code;
}

/* returns  IPM_EREPLACED: the files were replaced at the same time, so try again */
static int open_files(ipm_segment *segment, ipm_error *error) {
    const ipm_names *names = &segment->names;
    segment->refusal.code = IPM_OK; /* of an earlier try */
    int code = open_data(segment, error);
    if (code != IPM_OK)
        return code;
    ipm_datafile *data = &segment->data;
    const ipm_lockfile_terms terms = {
        .directory = &segment->lock_dir,
        .owner = data->owner,
        .mode = data->mode,
        .slots = data->max_readers,
        .deadline = segment->deadline,
        .needs_write = segment->role == IPM_READER ? names->path : NULL,
    };
    code = ipm_lockfile_open(names->lock_path, &terms, &segment->lockfile, error);
    if (goes_lock_free(segment->role, code)) {
        segment->refusal = *error;
        code = IPM_OK;
    }
    if (code == IPM_OK &&
        (ipm_datafile_is_retired(data) || !ipm_file_is_at(names->path, data->device, data->inode)))
        code = ipm_fail(error, IPM_EREPLACED, 0, "%s was destroyed", names->path);
    if (code != IPM_OK)
        close_files(segment);
    return code;
}

static int open_settled(ipm_segment *segment, unsigned looks, ipm_error *error) {
    for (; looks > 0; looks--) {
        int code = open_files(segment, error);
        if (code != IPM_EREPLACED)
            return code;
        if (looks > 1)
            ipm_clock_nap(IPM_MS);
    }
    error->code = IPM_ENOTFOUND; /* the text says how it ended */
    return IPM_ENOTFOUND;
}

static void prepare_lock(ipm_segment *segment) {
    segment->lock = (ipm_rwlock){
        .shared = segment->lockfile.shared,
        .retired = segment->data.retired,
        .go_on = ipm_segment_go_on,
        .waiters = segment->lockfile.head != NULL ? &segment->lockfile.head->waiters : NULL,
        .slots = segment->lockfile.slots,
        .pid = getpid(),
        .device = segment->lockfile.device,
        .inode = segment->lockfile.inode,
        .abandoned = ipm_segment_abandon,
    };
    if (segment->lockfile.head == NULL)
        return;
    atomic_store_explicit(&segment->wakes, &segment->lockfile.head->notify, memory_order_seq_cst);
    segment->lockfile.entry = ipm_attached_enter(&segment->lockfile.head->attached, segment->role);
}

/* Room for a private copy of the struct: address space only, until a writer dies inside. */
static int prepare_copy(ipm_segment *segment, ipm_error *error) {
    void *copy = NULL;
    int code = ipm_reserve(segment->data.memory.size, segment->name, &copy, error);
    segment->copy = copy;
    return code;
}

static uint64_t saved_size(const ipm_segment *segment) {
    return ipm_block_count(segment->data.geometry.struct_size) * sizeof(uint64_t);
}

/* Room for a writer's list of the blocks that a transaction has saved, if there is a ring. */
static int prepare_ring(ipm_segment *segment, ipm_error *error) {
    ipm_ring *ring = segment->data.memory.ring;
    if (ring == NULL)
        return IPM_OK;
    void *saved = NULL;
    int code = ipm_reserve(saved_size(segment), segment->name, &saved, error);
    ring->saved = saved;
    return code;
}

static int make_resident(const ipm_segment *segment, bool lock, ipm_error *error) {
    const ipm_datafile *data = &segment->data;
    const ipm_lockfile *lockfile = &segment->lockfile;
    int code = ipm_resident(data->map, data->geometry.file_size, segment->role != IPM_READER, lock,
                            segment->names.path, error);
    if (code == IPM_OK && lockfile->head != NULL)
        code = ipm_resident(lockfile->head, lockfile->size, true, lock, segment->names.lock_path,
                            error);
    if (code == IPM_OK && segment->copy != NULL)
        code = ipm_resident(segment->copy, data->memory.size, true, lock, segment->name, error);
    if (code == IPM_OK && data->ring.saved != NULL)
        code =
            ipm_resident(data->ring.saved, saved_size(segment), true, lock, segment->name, error);
    return code;
}

/*
 * The first values for a file that exists, as the file's struct.
 * made   memory that the caller frees, or NULL
 */
static int convert_init(const ipm_segment *segment, const void **init, void **made,
                        ipm_error *error) {
    const ipm_type *ours = ipm_layout_type(segment->expected.layout);
    const ipm_type *type = ipm_layout_type(ipm_segment_layout(segment));
    *init = segment->options.init;
    *made = NULL;
    if (*init == NULL || segment->data.described == NULL)
        return IPM_OK;
    *init = *made = malloc(type->size);
    if (*made == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot reset %s", segment->name);
    int code = ipm_convert(ours, segment->options.init, type, *made, false, NULL, error);
    return code == IPM_OK ? ipm_type_check(type, *made, error) : code;
}

static int reset(ipm_segment *segment, ipm_error *error) {
    const void *init;
    void *made;
    int code = convert_init(segment, &init, &made, error);
    if (code == IPM_OK)
        code = ipm_segment_lock(segment, IPM_PATIENCE_NS, error);
    if (code == IPM_OK) {
        ipm_segment_reset(segment, init);
        ipm_segment_stamp(segment, ipm_time());
        code = ipm_segment_unlock(segment, error);
    }
    free(made);
    return code;
}

static int prepare_use(ipm_segment *segment, const ipm_options *options, ipm_error *error) {
    prepare_lock(segment);
    segment->data.memory.writer = ipm_process_self();
    int code =
        segment->role == IPM_READER ? prepare_copy(segment, error) : prepare_ring(segment, error);
    if (code == IPM_OK && (options->prefault || options->mlock))
        code = make_resident(segment, options->mlock, error);
    return code;
}

static int open_segment(ipm_segment *segment, unsigned looks, ipm_error *error) {
    const ipm_names *names = &segment->names;
    const ipm_options *options = &segment->options;
    ipm_creation m = {.manager = -1};
    segment->deadline = ipm_clock_deadline(IPM_PATIENCE_NS);
    int code = ipm_names_make(segment->name, options, &segment->names, error);
    if (code != IPM_OK)
        return code;
    code = options->create ? ipm_create(segment, segment->expected.layout, options, &m, error)
                           : ipm_segment_look_at_directories(segment, options, error);
    if (code == IPM_OK)
        code = open_settled(segment, looks, error);
    if (code == IPM_OK)
        code = prepare_use(segment, options, error);
    if (code != IPM_OK && options->create) {
        close_files(segment);
        ipm_create_undo(names, &m);
    }
    if (m.manager >= 0)
        close(m.manager);
    if (code == IPM_OK && m.replaced)
        ipm_notify_all(&segment->lockfile.head->notify); /* waits for commits of the old one */
    if (code == IPM_OK && m.reset)
        code = reset(segment, error);
    return code;
}

/* Keep the options. The handle examines directories again when it follows or destroys, so it keeps
 * `trust` too. */
static int keep_options(ipm_segment *segment, const ipm_options *options, ipm_error *error) {
    segment->options = *options;
    segment->options.follow = false;
    segment->options.trust = NULL;
    if (options->trust_count == 0)
        return IPM_OK;
    uint32_t *trust = calloc(options->trust_count, sizeof *trust);
    if (trust == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot open %s", segment->name);
    memcpy(trust, options->trust, options->trust_count * sizeof *trust);
    segment->options.trust = trust;
    return IPM_OK;
}

/* Forget the names, which belong to the caller, and what only creation needs: a handle that follows
 * creates nothing. */
static void settle_options(ipm_segment *segment, bool follow) {
    ipm_options *options = &segment->options;
    options->tag = options->mmap_dir = options->lock_dir = options->path = NULL;
    options->create = options->force = false;
    options->migrate = IPM_MIGRATE_NO;
    options->init = NULL;
    options->follow = follow;
}

int ipm_segment_open_once(const ipm_opening *opening, ipm_segment **segment, ipm_error *error) {
    const char *name = ipm_layout_type(opening->layout)->name;
    ipm_segment *made = calloc(1, sizeof *made);
    *segment = NULL;
    if (made == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot open %s", name);
    made->role = opening->role;
    made->access = opening->access;
    made->descriptor = IPM_NO_DESCRIPTOR;
    made->generation = ipm_fork_generation;
    made->expected = (ipm_expected){opening->layout, opening->options->match};
    made->name = name;
    made->openings = made->first_opening = 1;
    int code = keep_options(made, opening->options, error);
    if (code == IPM_OK)
        code = open_segment(made, opening->looks, error);
    settle_options(made, opening->options->follow);
    if (code == IPM_OK)
        *segment = made;
    else
        ipm_segment_release(made);
    return code;
}

static int open_whole(const ipm_opening *opening, ipm_segment **segment, ipm_error *error) {
    int code;
    do
        code = ipm_segment_open_once(opening, segment, error);
    while (code == IPM_EREPLACED);
    return code;
}

static int did_not_appear(const char *name, ipm_error *error) {
    ipm_error last = *error;
    return ipm_fail(error, IPM_ETIMEOUT, 0, "%s did not appear in time: %s", name, last.text);
}

/* Try until the segment exists and no other process holds the lock file's bytes, or until the time
 * is over. */
static int open_awaited(const ipm_opening *opening, ipm_segment **segment, ipm_error *error) {
    const char *name = ipm_layout_type(opening->layout)->name;
    int64_t wait_ns = opening->options->wait_ns;
    int64_t deadline = ipm_clock_deadline(wait_ns);
    for (int64_t nap = FIRST_NAP_NS;; nap = nap < LAST_NAP_NS / 2 ? nap * 2 : LAST_NAP_NS) {
        int code = open_whole(opening, segment, error);
        if (wait_ns <= 0 || (code != IPM_ENOTFOUND && code != IPM_ETIMEOUT))
            return code;
        int64_t left = deadline - ipm_clock_now();
        if (left <= 0)
            return code == IPM_ENOTFOUND ? did_not_appear(name, error) : code;
        if (!ipm_clock_nap(nap < left ? nap : left))
            return ipm_fail(error, IPM_EINTERRUPTED, 0, "%s: the wait for it was interrupted",
                            name);
    }
}

int ipm_segment_open_for(ipm_role role, ipm_access access, const ipm_layout *layout,
                         const ipm_options *options, ipm_segment **segment, ipm_error *error) {
    const ipm_type *type = ipm_layout_type(layout);
    ipm_options chosen;
    *segment = NULL;
    int code = ipm_options_read(role, type, options, &chosen, error);
    if (code != IPM_OK)
        return code;
    int rc = ipm_fork_watch();
    if (rc != 0)
        return ipm_fail_errno(error, rc, "cannot open %s", type->name);
    const ipm_opening opening = {role, access, layout, &chosen, IPM_MANY_LOOKS};
    return open_awaited(&opening, segment, error);
}

int ipm_segment_open(ipm_role role, const ipm_layout *layout, const ipm_options *options,
                     ipm_segment **segment, ipm_error *error) {
    ipm_error detail;
    ipm_access access = role == IPM_READER ? IPM_READ : IPM_WRITE;
    int code = ipm_segment_open_for(role, access, layout, options, segment, &detail);
    return ipm_report(code, &detail, error);
}

const ipm_layout *ipm_segment_layout(const ipm_segment *segment) {
    const ipm_layout *described = segment->data.described;
    return described != NULL ? described : segment->expected.layout;
}

/* ---- Closing ----------------------------------------------------------------------------- */

void ipm_segment_release(ipm_segment *segment) {
    /* In a fork's child nothing is mapped: what is at these addresses now is not the handle's. */
    if (segment->generation == ipm_fork_generation) {
        close_files(segment);
        ipm_descriptor_close(&segment->descriptor);
        ipm_unreserve(segment->copy, segment->data.geometry.struct_size);
        ipm_unreserve(segment->data.ring.saved, saved_size(segment));
    }
    ipm_names_free(&segment->names);
    for (size_t i = 0; i < segment->past_count; i++)
        ipm_layout_free(segment->past[i]);
    free(segment->past);
    ipm_migration_free(segment->migration);
    free((void *)segment->options.trust);
    free(segment);
}

int ipm_segment_close(ipm_segment *segment, ipm_error *error) {
    if (segment == NULL)
        return IPM_OK;
    if (segment->generation == ipm_fork_generation && segment->view != NULL) {
        int code = ipm_segment_rollback(segment, error);
        if (code == IPM_EINVALID)
            return code;
    }
    ipm_segment_release(segment);
    return IPM_OK;
}

/* ---- Destroying -------------------------------------------------------------------------- */

static int remove_files(ipm_segment *segment, ipm_error *error) {
    const ipm_names *names = &segment->names;
    if (!ipm_file_is_at(names->path, segment->data.device, segment->data.inode))
        return ipm_fail(error, IPM_EREPLACED, 0, "%s is no longer this segment", names->path);
    ipm_datafile_retire(&segment->data, IPM_RETIRED); /* first, as in replace */
    if (unlink(names->path) != 0) {
        int rc = errno;
        ipm_datafile_retire(&segment->data, IPM_LIVE);
        return ipm_fail_errno(error, rc, "cannot remove %s", names->path);
    }
    ipm_notify_all(&segment->lockfile.head->notify);
    if (unlink(names->lock_path) != 0)
        return ipm_fail_errno(error, errno, "cannot remove %s", names->lock_path);
    return IPM_OK;
}

static int destroy(ipm_segment *segment, ipm_error *error) {
    int manager;
    bool made;
    int code = ipm_segment_check_fork(segment, error);
    if (code == IPM_OK && segment->role != IPM_MANAGER)
        code = ipm_fail(error, IPM_EINVALID, 0, "%s: only a manager destroys", segment->name);
    if (code == IPM_OK && segment->view != NULL)
        code = ipm_segment_rollback(segment, error);
    if (code == IPM_OK)
        code = ipm_segment_check(segment, error);
    if (code == IPM_OK)
        code = ipm_segment_check_home(segment, error);
    const ipm_lockfile_terms terms = {
        .directory = &segment->lock_dir,
        .owner = segment->data.owner,
        .mode = segment->data.mode,
        .deadline = ipm_clock_deadline(IPM_PATIENCE_NS),
    };
    if (code == IPM_OK)
        code = ipm_lockfile_manage(segment->names.lock_path, &terms, &manager, &made, error);
    if (code != IPM_OK)
        return code;
    code = remove_files(segment, error);
    if (code != IPM_OK && made && ipm_lockfile_claim(manager))
        unlink(segment->names.lock_path);
    close(manager);
    return code;
}

int ipm_segment_destroy(ipm_segment *segment, ipm_error *error) {
    ipm_error detail;
    return ipm_report(destroy(segment, &detail), &detail, error);
}
