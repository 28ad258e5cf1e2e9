#include "create.h"

#include "error.h"
#include "file.h"
#include "migrate.h"
#include "options.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * Replace a data file by a new one. The old file is in use until the new one is made, which may
 * take long. Then retire it before the new one gets the name: in the other order, if this process
 * died in between, users of the old file would go on to write to a file without a name. An
 * untrusted file is not retired, because no process that checks trust has it open.
 */
static int replace(const ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
                   bool is_trusted, ipm_error *error) {
    const char *path = segment->names.path;
    ipm_retirement old = {.fd = -1};
    char *temporary;
    int code = ipm_datafile_make(path, layout, options, &temporary, error);
    if (code != IPM_OK)
        return code;
    code = is_trusted ? ipm_datafile_retire_old(path, options->shares, &old, error) : IPM_OK;
    if (code == IPM_OK)
        code = ipm_datafile_place(temporary, path, true, error);
    ipm_datafile_retired(&old, code == IPM_OK);
    if (code != IPM_OK)
        unlink(temporary);
    free(temporary);
    return code;
}

/* Whether the path is a plain file with one name. Sets *is_trusted if it is. */
static bool is_plain_file(const ipm_segment *segment, bool *is_trusted) {
    const char *path = segment->names.path;
    struct stat status;
    ipm_error unwanted;
    if (lstat(path, &status) != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1)
        return false;
    *is_trusted =
        ipm_directory_trusts(&segment->mmap_dir, path, &status, IPM_NOBODY, &unwanted) == IPM_OK;
    return true;
}

/* Whether a new segment may replace the file that could not be opened with `code`. */
static bool gives_way(const ipm_segment *segment, const ipm_options *options, int code,
                      bool *is_trusted) {
    if (code == IPM_EREPLACED)
        return true;
    if (!options->force || !is_plain_file(segment, is_trusted))
        return false;
    return code == IPM_ELAYOUT || code == IPM_ECORRUPT || (code == IPM_EPERMISSION && !*is_trusted);
}

/* Open the data file, also one that a manager died migrating: its values were not given up. */
static int open_existing(ipm_segment *segment, ipm_error *error) {
    const char *path = segment->names.path;
    const ipm_directory *directory = &segment->mmap_dir;
    const ipm_expected expected = segment->expected;
    ipm_error detail;
    bool revived;
    int code = ipm_datafile_open(path, directory, IPM_WRITE, expected, &segment->data, error);
    if (code != IPM_EREPLACED)
        return code;
    int failed = ipm_datafile_revive(path, &revived, &detail);
    if (failed != IPM_OK)
        return ipm_report(failed, &detail, error);
    return revived ? ipm_datafile_open(path, directory, IPM_WRITE, expected, &segment->data, error)
                   : code;
}

/*
 * Refuse a file whose layout is another one only in what it says about values, such as limits, if
 * it is to be replaced or migrated. With `match` the file's own layout is welcome.
 */
static int check_attributes(ipm_segment *segment, const ipm_options *options, ipm_error *error) {
    bool is_other = segment->data.described != NULL && options->match == IPM_EXACT;
    if (!is_other || (!options->force && options->migrate == IPM_MIGRATE_NO))
        return IPM_OK;
    ipm_datafile_close(&segment->data);
    return ipm_fail(error, IPM_ELAYOUT, 0, "%s has other defaults, limits, units or texts",
                    segment->names.path);
}

/* Make sure that a data file of the layout exists. The caller keeps other managers out. */
static int provide(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
                   ipm_creation *m, ipm_error *error) {
    const char *path = segment->names.path;
    bool is_trusted = true;
    int code = open_existing(segment, error);
    if (code == IPM_OK)
        code = check_attributes(segment, options, error);
    m->reset = code == IPM_OK && options->force;
    if (code == IPM_OK)
        return IPM_OK;
    if (code == IPM_ENOTFOUND) {
        code = ipm_datafile_create(path, layout, options, error);
        m->data_made = code == IPM_OK;
        return code;
    }
    if (code == IPM_ELAYOUT && options->migrate != IPM_MIGRATE_NO) {
        code = ipm_migrate_segment(segment, layout, options, error);
        m->replaced = code == IPM_OK;
        return code;
    }
    if (!gives_way(segment, options, code, &is_trusted))
        return code;
    code = replace(segment, layout, options, is_trusted, error);
    m->replaced = code == IPM_OK;
    return code;
}

/*
 * The mode of a new directory. Users who may read it may also enter it. If every user may write to
 * it, it is sticky, so that users cannot remove each other's files.
 */
static mode_t directory_mode(uint32_t mode) {
    return (mode_t)(mode | ((mode & 0444) >> 2) | ((mode & S_IWOTH) != 0 ? S_ISVTX : 0));
}

/* Make sure that the directory exists, and that it is safe to create files in it. */
static int provide_directory(const char *path, const ipm_options *options, ipm_directory *directory,
                             size_t *made, ipm_error *error) {
    ipm_trust trust = ipm_options_trust(options);
    int code = ipm_directory_is_safe(path, trust, directory, error);
    if (code == IPM_OK || error->system == 0)
        return code;
    code = ipm_file_mkdir(path, directory_mode(options->mode), made, error);
    return code == IPM_OK ? ipm_directory_is_safe(path, trust, directory, error) : code;
}

static int provide_directories(ipm_segment *segment, const ipm_options *options, ipm_creation *m,
                               ipm_error *error) {
    const ipm_names *names = &segment->names;
    m->mmap_made = strlen(names->mmap_dir);
    m->lock_dir_made = strlen(names->lock_dir);
    int code =
        provide_directory(names->mmap_dir, options, &segment->mmap_dir, &m->mmap_made, error);
    segment->lock_dir = segment->mmap_dir;
    if (code == IPM_OK && strcmp(names->mmap_dir, names->lock_dir) != 0)
        code = provide_directory(names->lock_dir, options, &segment->lock_dir, &m->lock_dir_made,
                                 error);
    return code;
}

int ipm_create_begin(ipm_segment *segment, const ipm_options *options, ipm_creation *m,
                     ipm_error *error) {
    const ipm_names *names = &segment->names;
    int code = provide_directories(segment, options, m, error);
    const ipm_lockfile_terms terms = {.directory = &segment->lock_dir,
                                      .owner = IPM_NOBODY,
                                      .mode = options->mode,
                                      .deadline = segment->deadline,
                                      .replace = options->force};
    if (code == IPM_OK)
        code = ipm_lockfile_manage(names->lock_path, &terms, &m->manager, &m->lock_made, error);
    return code;
}

int ipm_create(ipm_segment *segment, const ipm_layout *layout, const ipm_options *options,
               ipm_creation *m, ipm_error *error) {
    int code = ipm_create_begin(segment, options, m, error);
    return code == IPM_OK ? provide(segment, layout, options, m, error) : code;
}

void ipm_create_undo(const ipm_names *names, const ipm_creation *m) {
    if (m->manager >= 0 && ipm_lockfile_claim(m->manager)) {
        if (m->data_made)
            ipm_datafile_unmake(names->path);
        if (m->lock_made)
            unlink(names->lock_path);
    }
    ipm_file_unmkdir(names->lock_dir, m->lock_dir_made);
    ipm_file_unmkdir(names->mmap_dir, m->mmap_made);
}
