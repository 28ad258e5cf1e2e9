/*
 * Making a segment of a plain file.
 */
#include "clock.h"
#include "create.h"
#include "error.h"
#include "file.h"
#include "options.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct adoption {
    const char *path;
    const ipm_layout *layout;
    ipm_segment segment; /* has no more than its names, its directories and its data file */
    ipm_file file;
    char *temporary; /* the new file's name, until it gets its own; or NULL */
    bool in_place;
} adoption;

/* Copy a part of the file. returns  IPM_ELAYOUT: the file ends before */
static int read_part(const adoption *a, void *into, uint64_t size, uint64_t offset,
                     ipm_error *error) {
    for (uint64_t done = 0; done < size;) {
        ssize_t got = pread(a->file.fd, (char *)into + done, size - done, (off_t)(offset + done));
        if (got == 0)
            return ipm_fail(error, IPM_ELAYOUT, 0, "%s ends before the struct does", a->path);
        if (got < 0 && errno != EINTR)
            return ipm_fail_errno(error, errno, "cannot read %s", a->path);
        if (got > 0)
            done += (uint64_t)got;
    }
    return IPM_OK;
}

/* Nothing may be lost: after the struct there are only zeros, such as fill a page. */
static int check_rest(const adoption *a, uint64_t from, uint64_t size, ipm_error *error) {
    char bytes[IPM_PAGE];
    for (uint64_t at = from; at < size; at += sizeof bytes) {
        uint64_t length = size - at < sizeof bytes ? size - at : sizeof bytes;
        int code = read_part(a, bytes, length, at, error);
        if (code != IPM_OK)
            return code;
        for (uint64_t i = 0; i < length; i++)
            if (bytes[i] != 0)
                return ipm_fail(error, IPM_ELAYOUT, 0,
                                "%s has a byte that is not zero at %llu, after the %llu bytes of "
                                "a %s",
                                a->path, (unsigned long long)(at + i), (unsigned long long)from,
                                ipm_layout_type(a->layout)->name);
    }
    return IPM_OK;
}

static int check_size(const adoption *a, ipm_error *error) {
    const ipm_type *type = ipm_layout_type(a->layout);
    const uint64_t size = (uint64_t)a->file.status.st_size;
    if (size < type->size)
        return ipm_fail(error, IPM_ELAYOUT, 0, "%s has %llu bytes, and a %s has %llu", a->path,
                        (unsigned long long)size, type->name, (unsigned long long)type->size);
    return check_rest(a, type->size, size, error);
}

static int open_file(adoption *a, ipm_error *error) {
    const char *path = a->segment.names.path;
    ipm_file file;
    int code = ipm_file_open(a->path, O_RDONLY, &file, error);
    if (code != IPM_OK)
        return code;
    const struct stat *status = &file.status;
    struct stat there;
    a->file = file;
    if (lstat(path, &there) == 0)
        a->in_place = there.st_dev == status->st_dev && there.st_ino == status->st_ino;
    else if (errno != ENOENT)
        return ipm_fail_errno(error, errno, "cannot examine %s", path);
    return a->in_place
               ? ipm_directory_trusts(&a->segment.mmap_dir, a->path, status, IPM_NOBODY, error)
               : IPM_OK;
}

static ipm_expected expected_of(const adoption *a) {
    return (ipm_expected){a->layout, IPM_EXACT};
}

/* Whether the file is a segment of the layout already. returns  why it is neither that nor plain */
static int check_kind(const adoption *a, bool *is_segment, ipm_error *error) {
    ipm_datafile data;
    uint16_t first;
    int code = ipm_datafile_open(a->path, NULL, IPM_READ, expected_of(a), &data, error);
    *is_segment = code == IPM_OK;
    ipm_datafile_close(&data);
    if (*is_segment && !a->in_place)
        return ipm_fail_errno(error, EEXIST, "%s is a segment already", a->path);
    if (code != IPM_ECORRUPT ||
        ipm_datafile_has_trailer(a->file.fd, (uint64_t)a->file.status.st_size))
        return code;
    code = read_part(a, &first, sizeof first, 0, error);
    if (code == IPM_OK && first != IPM_HEADER_CODE)
        code = ipm_fail(error, IPM_ECORRUPT, 0, "%s does not start with the header code 0x1128",
                        a->path);
    return code;
}

static int make_segment(adoption *a, const ipm_options *options, ipm_error *error) {
    ipm_datafile *data = &a->segment.data;
    const char *path = a->segment.names.path;
    const struct stat *status = &a->file.status;
    ipm_options kept = *options;
    kept.mode = status->st_mode & 0777;
    kept.init = NULL;
    kept.shares = false;
    int code = ipm_datafile_make(path, a->layout, &kept, &a->temporary, error);
    if (code == IPM_OK && a->in_place)
        code = ipm_file_keep_owner(a->temporary, path, status, error);
    if (code == IPM_OK)
        code = ipm_datafile_open(a->temporary, NULL, IPM_WRITE, expected_of(a), data, error);
    if (code != IPM_OK)
        return code;
    code = read_part(a, data->memory.data, data->memory.size, 0, error);
    if (code == IPM_OK && msync(data->map, data->geometry.file_size, MS_SYNC) != 0)
        code = ipm_fail_errno(error, errno, "cannot write %s to disk", path);
    return code == IPM_OK ? ipm_datafile_place(a->temporary, path, a->in_place, error) : code;
}

static int adopt_file(adoption *a, const ipm_options *options, ipm_error *error) {
    bool is_segment = false;
    int code = open_file(a, error);
    if (code == IPM_OK)
        code = check_kind(a, &is_segment, error);
    if (code != IPM_OK || is_segment)
        return code;
    code = check_size(a, error);
    if (code == IPM_OK)
        code = make_segment(a, options, error);
    if (code != IPM_OK && a->temporary != NULL)
        unlink(a->temporary);
    return code;
}

static int adopt(adoption *a, const ipm_options *given, ipm_error *error) {
    const ipm_type *type = ipm_layout_type(a->layout);
    ipm_options options;
    ipm_creation m = {.manager = -1};
    int code = ipm_options_read(IPM_MANAGER, type, given, &options, error);
    if (code != IPM_OK)
        return code;
    if (options.tag == NULL && options.mmap_dir == NULL)
        options.path = a->path;
    code = ipm_names_make(type->name, &options, &a->segment.names, error);
    if (code != IPM_OK)
        return code;
    a->segment.deadline = ipm_clock_deadline(IPM_PATIENCE_NS);
    code = ipm_create_begin(&a->segment, &options, &m, error);
    if (code == IPM_OK)
        code = adopt_file(a, &options, error);
    ipm_datafile_close(&a->segment.data);
    if (code != IPM_OK)
        ipm_create_undo(&a->segment.names, &m);
    if (m.manager >= 0)
        close(m.manager);
    return code;
}

int ipm_adopt(const ipm_layout *layout, const char *path, const ipm_options *options,
              ipm_error *error) {
    ipm_error detail;
    adoption a = {.path = path, .layout = layout, .file = {.fd = -1}};
    int code = adopt(&a, options, &detail);
    if (a.file.fd >= 0)
        close(a.file.fd);
    free(a.temporary);
    ipm_names_free(&a.segment.names);
    return ipm_report(code, &detail, error);
}
