#include "datafile.h"

#include "error.h"
#include "file.h"
#include "difference.h"
#include "initial.h"
#include "room.h"
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef RENAME_NOREPLACE
#define RENAME_NOREPLACE 1 /* the kernel's constant, for a libc that does not define it */
#endif

/* ---- Reading ----------------------------------------------------------------------------- */

static int corrupt(const char *path, const char *what, ipm_error *error) {
    return ipm_fail(error, IPM_ECORRUPT, 0, "%s is not a segment, or is damaged: %s", path, what);
}

/* The file has no trailer, or a damaged one. */
static int no_trailer(const ipm_file *file, const char *path, const char *what, ipm_error *error) {
    uint16_t code;
    if (pread(file->fd, &code, sizeof code, 0) == sizeof code && code == IPM_HEADER_CODE &&
        !ipm_datafile_has_trailer(file->fd, (uint64_t)file->status.st_size))
        return ipm_fail(error, IPM_ECORRUPT, 0,
                        "%s is no segment yet, but a plain file with the common header: 'ipmmap "
                        "adopt' makes it a segment",
                        path);
    return corrupt(path, what, error);
}

static int wrong_footer(const ipm_file *file, const char *path, const ipm_footer *footer,
                        ipm_error *error) {
    uint32_t format = ipm_trailer_format(footer);
    if (format == 0 || format == IPM_FORMAT)
        return no_trailer(file, path, "its footer is wrong", error);
    return ipm_fail(
        error, IPM_ECORRUPT, 0,
        "%s is a segment of format %u, and this version of ipmmap reads only format %d: "
        "use the version that made it, or have a manager make it anew by force",
        path, format, IPM_FORMAT);
}

static int read_at(int fd, const char *path, void *into, uint64_t size, uint64_t offset,
                   ipm_error *error) {
    ssize_t got;
    do
        got = pread(fd, into, size, (off_t)offset);
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ipm_fail_errno(error, errno, "cannot read %s", path);
    return (uint64_t)got == size ? IPM_OK : corrupt(path, "it was truncated", error);
}

/* The last page of a file. The schema text begins on a page, so a text that fits begins here. */
typedef struct last_page {
    char text[IPM_PAGE - sizeof(ipm_footer)];
    ipm_footer footer;
} last_page;
_Static_assert(sizeof(last_page) == IPM_PAGE, "it has no padding");

/* Check the parts that never change in a copy, because others may change the file at any moment. */
static int read_head(const ipm_file *file, const char *path, ipm_access access, last_page *last,
                     ipm_trailer_head *head, ipm_error *error) {
    const int fd = file->fd;
    const uint64_t size = (uint64_t)file->status.st_size;
    uint16_t code;
    if (size < 3 * IPM_PAGE || size % IPM_PAGE != 0)
        return no_trailer(file, path, "it has the wrong size", error);
    int failed = read_at(fd, path, last, sizeof *last, size - sizeof *last, error);
    if (failed != IPM_OK)
        return failed;
    uint64_t at = ipm_trailer_locate(&last->footer, size);
    if (at == 0)
        return wrong_footer(file, path, &last->footer, error);
    failed = read_at(fd, path, head, sizeof *head, at, error);
    if (failed != IPM_OK)
        return failed;
    if (!ipm_trailer_is_valid(head, at, size))
        return corrupt(path, "its trailer is wrong", error);
    failed = read_at(fd, path, &code, sizeof code, 0, error);
    if (failed != IPM_OK)
        return failed;
    if (code != IPM_HEADER_CODE && access != IPM_MEND)
        return corrupt(path, "it does not start with the header code 0x1128", error);
    return IPM_OK;
}

static int parse_schema(const char *text, const ipm_geometry *geometry, const char *path,
                        ipm_layout **layout, ipm_error *error) {
    ipm_error detail;
    int code = ipm_layout_parse(text, geometry->schema_size, layout, &detail);
    if (code == IPM_EINVALID)
        return corrupt(path, detail.text, error);
    if (code != IPM_OK) {
        *error = detail;
        return code;
    }
    size_t length;
    const char *canonical = ipm_layout_text(*layout, &length);
    const ipm_type *type = ipm_layout_type(*layout);
    if (length == geometry->schema_size && memcmp(canonical, text, length) == 0 &&
        type->size == geometry->struct_size && ipm_type_is_shared(type))
        return IPM_OK;
    ipm_layout_free(*layout);
    *layout = NULL;
    return corrupt(path, "its schema is wrong", error);
}

static int read_layout(int fd, const char *path, const ipm_geometry *geometry,
                       const last_page *last, ipm_layout **layout, ipm_error *error) {
    int code = IPM_OK;
    char *text = malloc(geometry->schema_size + 1);
    *layout = NULL;
    if (text == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot read the schema of %s", path);
    if (geometry->schema_size <= sizeof last->text)
        memcpy(text, last->text, geometry->schema_size);
    else
        code = read_at(fd, path, text, geometry->schema_size, geometry->schema, error);
    if (code == IPM_OK)
        code = parse_schema(text, geometry, path, layout, error);
    free(text);
    return code;
}

static int compare_with(const ipm_layout *described, ipm_expected expected, const char *path,
                        ipm_error *error) {
    ipm_error detail;
    const ipm_type *in_file = ipm_layout_type(described);
    const ipm_type *defined = ipm_layout_type(expected.layout);
    if (ipm_layout_difference(in_file, defined, expected.match, &detail) == IPM_OK)
        return IPM_OK;
    return ipm_fail(error, IPM_ELAYOUT, 0, "%s (%s)", detail.text, path);
}

/* *described: as in ipm_datafile */
static int check_file(const ipm_file *file, const char *path, ipm_access access,
                      ipm_expected expected, ipm_trailer_head *head, ipm_layout **described,
                      ipm_error *error) {
    last_page last;
    int code = read_head(file, path, access, &last, head, error);
    if (code == IPM_OK && head->state.retired != IPM_LIVE)
        code = ipm_fail(error, IPM_EREPLACED, 0,
                        head->state.retired == IPM_MIGRATING
                            ? "%s: its migration to another layout was not finished (a manager "
                              "with the option create opens it again)"
                            : "%s was destroyed",
                        path);
    if (code == IPM_OK)
        code = read_layout(file->fd, path, &head->geometry, &last, described, error);
    if (code != IPM_OK)
        return code;
    code = compare_with(*described, expected, path, error);
    if (code != IPM_OK || ipm_layout_is_same(*described, expected.layout)) {
        ipm_layout_free(*described);
        *described = NULL;
    }
    return code;
}

/*
 * Open a file for reading. On overlayfs a reader that maps a file of a lower layer may be left
 * behind: when a process opens the file for writing, that process gets a copy in the upper layer,
 * and the reader still sees the lower file. So the reader opens the file for writing. Sets *left if
 * the reader may not do that, and so may be left behind.
 */
static int open_to_read(const char *path, ipm_file *file, bool *left, ipm_error *error) {
    int code = ipm_file_open(path, O_RDONLY, file, error);
    *left = code == IPM_OK && file->type == IPM_OVERLAYFS;
    if (*left) {
        ipm_file copied;
        ipm_error unwanted;
        if (ipm_file_open(path, O_RDWR, &copied, &unwanted) == IPM_OK) {
            close(file->fd);
            *file = copied;
            *left = false;
        }
    }
    return code;
}

int ipm_datafile_open(const char *path, const ipm_directory *directory, ipm_access access,
                      ipm_expected expected, ipm_datafile *file, ipm_error *error) {
    bool writable = access != IPM_READ;
    ipm_file opened;
    const struct stat *status = &opened.status;
    bool left = false;
    ipm_trailer_head head = {0};
    memset(file, 0, sizeof *file);
    int code = writable ? ipm_file_open(path, O_RDWR, &opened, error)
                        : open_to_read(path, &opened, &left, error);
    if (code != IPM_OK)
        return code;
    code = ipm_directory_trusts(directory, path, status, IPM_NOBODY, error);
    if (code == IPM_OK)
        code = check_file(&opened, path, access, expected, &head, &file->described, error);
    if (code == IPM_OK) {
        file->map = ipm_file_map(&opened, head.geometry.file_size, writable, path, error);
        file->geometry = head.geometry;
        file->max_readers = head.max_readers;
        file->mode = status->st_mode & 0777;
        file->owner = status->st_uid;
        file->device = status->st_dev;
        file->inode = status->st_ino;
        if (file->map != NULL) {
            file->memory = ipm_trailer_memory(file->map, &file->geometry, &file->ring);
            file->retired = &file->memory.state->retired;
        } else {
            code = (int)error->code;
        }
    }
    if (code == IPM_OK && left)
        ipm_kept_open(&file->kept, opened.fd);
    else
        close(opened.fd);
    if (code != IPM_OK)
        ipm_datafile_close(file);
    return code;
}

void ipm_datafile_close(ipm_datafile *file) {
    if (file->map != NULL)
        munmap(file->map, file->geometry.file_size);
    file->map = NULL;
    ipm_layout_free(file->described);
    file->described = NULL;
    ipm_kept_close(&file->kept);
}

/* The descriptor reads from the upper layer as soon as the file is there. Load the mapped state
 * last: if it is of the same file, it is at least as new. */
bool ipm_datafile_is_left_behind(const ipm_datafile *file) {
    ipm_state now;
    const ipm_state *mapped = file->memory.state;
    ssize_t got = pread(file->kept.fd, &now, sizeof now,
                        (off_t)(file->geometry.head + offsetof(ipm_trailer_head, state)));
    return got != (ssize_t)sizeof now ||
           now.sequence > atomic_load_explicit(&mapped->sequence, memory_order_acquire) ||
           now.retired > atomic_load_explicit(&mapped->retired, memory_order_acquire);
}

int ipm_datafile_describe(const char *path, ipm_access access, ipm_layout **layout,
                          ipm_error *error) {
    ipm_file file;
    last_page last;
    ipm_trailer_head head = {0};
    *layout = NULL;
    int code = ipm_file_open(path, O_RDONLY, &file, error);
    if (code != IPM_OK)
        return code;
    code = read_head(&file, path, access, &last, &head, error);
    if (code == IPM_OK)
        code = read_layout(file.fd, path, &head.geometry, &last, layout, error);
    close(file.fd);
    return code;
}

int ipm_layout_load(const char *path, ipm_layout **layout, ipm_error *error) {
    ipm_error detail;
    return ipm_report(ipm_datafile_describe(path, IPM_READ, layout, &detail), &detail, error);
}

/* ---- Creating ---------------------------------------------------------------------------- */

int ipm_datafile_write(int fd, const void *from, uint64_t size, uint64_t offset) {
    for (uint64_t done = 0; done < size;) {
        ssize_t written =
            pwrite(fd, (const char *)from + done, size - done, (off_t)(offset + done));
        if (written < 0 && errno != EINTR)
            return errno;
        if (written > 0)
            done += (uint64_t)written;
    }
    return 0;
}

/* Store the first values of the struct in a new file, whose bytes are zero. A struct without
 * defaults needs none, so its file keeps its holes. The header is stored later. */
static int store_values(const ipm_file *file, const char *path, const ipm_type *type,
                        uint64_t file_size, const void *init, ipm_error *error) {
    if (init != NULL) {
        int rc = ipm_datafile_write(file->fd, (const char *)init + IPM_HEADER_SIZE,
                                    type->size - IPM_HEADER_SIZE, IPM_HEADER_SIZE);
        return rc == 0 ? IPM_OK : ipm_fail_errno(error, rc, "cannot write %s", path);
    }
    if (!ipm_type_has_initial(type))
        return IPM_OK;
    void *map = ipm_file_map(file, file_size, true, path, error);
    if (map == NULL)
        return (int)error->code;
    ipm_type_store_defaults(type, map);
    munmap(map, file_size);
    return IPM_OK;
}

static int fill_in(ipm_file *file, const char *path, const ipm_layout *layout,
                   const ipm_options *options, ipm_error *error) {
    size_t length;
    const char *text = ipm_layout_text(layout, &length);
    if (length > IPM_MAX_TEXT)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: its schema text is longer than 1 MiB",
                        ipm_layout_type(layout)->name);
    const ipm_type *type = ipm_layout_type(layout);
    const uint64_t size = type->size;
    ipm_geometry geometry =
        ipm_trailer_geometry(size, length, ipm_trailer_ring(size, options->feed));
    ipm_trailer_head head = {0};
    ipm_footer footer;
    ipm_trailer_describe(&head, &footer, &geometry, options->max_readers);
    const ipm_share_block replica = {.deadline = IPM_AT_REPLICA};
    const uint16_t code = IPM_HEADER_CODE;
    const double now = ipm_time();
    const int fd = file->fd;

    int failed = ipm_room_allocate(file, geometry.file_size, path, error);
    if (failed == IPM_OK)
        failed = store_values(file, path, type, geometry.file_size, options->init, error);
    if (failed != IPM_OK)
        return failed;
    int rc = ipm_datafile_write(fd, &code, sizeof code, 0);
    if (rc == 0)
        rc = ipm_datafile_write(fd, &now, sizeof now, 8);
    if (rc == 0)
        rc = ipm_datafile_write(fd, &head, sizeof head, geometry.head);
    if (rc == 0 && options->shares)
        rc = ipm_datafile_write(fd, &replica, sizeof replica, geometry.head + sizeof head);
    if (rc == 0)
        rc = ipm_datafile_write(fd, text, length, geometry.schema);
    if (rc == 0)
        rc = ipm_datafile_write(fd, &footer, sizeof footer, geometry.footer);
    return rc == 0 ? IPM_OK : ipm_fail_errno(error, rc, "cannot write %s", path);
}

/* A unique name in the same directory: "<path>.<pid>-<time>.new". */
static char *temporary_name(const char *path) {
    struct timespec now;
    char *name = malloc(strlen(path) + 64);
    clock_gettime(CLOCK_REALTIME, &now);
    if (name != NULL)
        sprintf(name, "%s.%ld-%lx%lx.new", path, (long)getpid(), (unsigned long)now.tv_sec,
                (unsigned long)now.tv_nsec);
    return name;
}

/* Rename, instead of link and unlink: a death in between would leave a file with two names. */
static int move(const char *from, const char *to, bool replace) {
    long rc = replace ? rename(from, to)
                      : syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    return rc == 0 ? 0 : errno;
}

int ipm_datafile_make(const char *path, const ipm_layout *layout, const ipm_options *options,
                      char **temporary, ipm_error *error) {
    ipm_file file;
    *temporary = temporary_name(path);
    if (*temporary == NULL)
        return ipm_fail_errno(error, ENOMEM, "cannot create %s", path);
    int code = ipm_file_create(*temporary, (mode_t)options->mode, &file, error);
    if (code == IPM_OK) {
        code = fill_in(&file, path, layout, options, error);
        close(file.fd);
        if (code == IPM_OK)
            return IPM_OK;
        unlink(*temporary);
    }
    free(*temporary);
    *temporary = NULL;
    return code;
}

int ipm_datafile_place(const char *temporary, const char *path, bool replace, ipm_error *error) {
    int rc = move(temporary, path, replace);
    return rc == 0 ? IPM_OK : ipm_fail_errno(error, rc, "cannot create %s", path);
}

int ipm_datafile_create(const char *path, const ipm_layout *layout, const ipm_options *options,
                        ipm_error *error) {
    char *temporary;
    int code = ipm_datafile_make(path, layout, options, &temporary, error);
    if (code != IPM_OK)
        return code;
    code = ipm_datafile_place(temporary, path, false, error);
    if (code != IPM_OK)
        unlink(temporary);
    free(temporary);
    return code;
}
