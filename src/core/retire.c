/*
 * Retiring data files, also such as cannot be mapped any more.
 */
#include "datafile.h"

#include "error.h"
#include "file.h"
#include "page.h"
#include "share.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

void ipm_datafile_retire(ipm_datafile *file, ipm_retired retired) {
    atomic_store_explicit(&file->memory.state->retired, retired, memory_order_seq_cst);
}

static bool is_head(int fd, uint64_t at) {
    ipm_trailer_head head;
    return pread(fd, &head, sizeof head, (off_t)at) == sizeof head && ipm_trailer_begins(&head, at);
}

/* The offset of the trailer: by the footer, else the first page that looks like one. 0: none. */
static uint64_t find_head(int fd, uint64_t size) {
    ipm_footer footer;
    uint64_t said = 0;
    if (size >= 3 * IPM_PAGE &&
        pread(fd, &footer, sizeof footer, (off_t)(size - sizeof footer)) == sizeof footer)
        said = ipm_trailer_locate(&footer, size);
    if (said != 0 && is_head(fd, said))
        return said;
    for (uint64_t at = IPM_PAGE; at < size; at += IPM_PAGE)
        if (is_head(fd, at))
            return at;
    return said;
}

bool ipm_datafile_has_trailer(int fd, uint64_t size) {
    return find_head(fd, size) != 0;
}

/* Find the flag in the file. returns  0 or an errno; old->at is 0 if there is no trailer */
static int find_flag(int fd, uint64_t size, ipm_retirement *old) {
    uint64_t head = find_head(fd, size);
    old->at = 0;
    if (head == 0)
        return 0;
    old->at = head + offsetof(ipm_trailer_head, state) + offsetof(ipm_state, retired);
    ssize_t got = pread(fd, &old->before, sizeof old->before, (off_t)old->at);
    if (got != (ssize_t)sizeof old->before)
        return got < 0 ? errno : EIO;
    return 0;
}

static int write_flag(int fd, uint64_t at, uint32_t retired) {
    return ipm_datafile_write(fd, &retired, sizeof retired, at);
}

/* Whether a manager of this machine may retire the file, which was not retired before. */
static int check_home_of_file(int fd, const char *path, const ipm_retirement *old,
                              ipm_error *error) {
    ipm_share_block block;
    const uint64_t head =
        old->at - offsetof(ipm_trailer_head, state) - offsetof(ipm_state, retired);
    ssize_t got = pread(fd, &block, sizeof block, (off_t)(head + sizeof(ipm_trailer_head)));
    if (got < 0)
        return ipm_fail_errno(error, errno, "cannot read %s", path);
    return got == sizeof block ? ipm_share_check(&block, path, error) : IPM_OK;
}

/* Use only file operations: the file may be replaced because it can no longer be mapped. */
int ipm_datafile_retire_old(const char *path, bool shares, ipm_retirement *old, ipm_error *error) {
    ipm_file file;
    old->fd = -1;
    int code = ipm_file_open(path, O_RDWR, &file, error);
    if (code == IPM_ENOTFOUND || code == IPM_ECORRUPT) /* no file, or not a plain one */
        return IPM_OK;
    if (code != IPM_OK)
        return code;
    int rc = find_flag(file.fd, (uint64_t)file.status.st_size, old);
    if (rc == 0 && old->at != 0 && old->before == IPM_LIVE && !shares)
        code = check_home_of_file(file.fd, path, old, error);
    if (rc == 0 && old->at != 0 && code == IPM_OK) {
        rc = write_flag(file.fd, old->at, IPM_RETIRED);
        if (rc == 0)
            old->fd = file.fd;
    }
    if (old->fd < 0)
        close(file.fd);
    return rc == 0 ? code : ipm_fail_errno(error, rc, "cannot retire %s", path);
}

void ipm_datafile_retired(ipm_retirement *old, bool done) {
    if (old->fd < 0)
        return;
    if (!done)
        write_flag(old->fd, old->at, old->before);
    close(old->fd);
}

int ipm_datafile_revive(const char *path, bool *revived, ipm_error *error) {
    ipm_file file;
    ipm_retirement old;
    *revived = false;
    int code = ipm_file_open(path, O_RDWR, &file, error);
    if (code != IPM_OK)
        return code == IPM_ENOTFOUND ? IPM_OK : code;
    int rc = find_flag(file.fd, (uint64_t)file.status.st_size, &old);
    bool migrating = rc == 0 && old.at != 0 && old.before == IPM_MIGRATING;
    if (migrating)
        rc = write_flag(file.fd, old.at, IPM_LIVE);
    close(file.fd);
    *revived = migrating && rc == 0;
    return rc == 0 ? IPM_OK : ipm_fail_errno(error, rc, "cannot revive %s", path);
}

void ipm_datafile_unmake(const char *path) {
    ipm_retirement old;
    ipm_error unwanted;
    if (ipm_datafile_retire_old(path, true, &old, &unwanted) == IPM_OK && old.fd >= 0)
        unlink(path);
    ipm_datafile_retired(&old, true);
}
