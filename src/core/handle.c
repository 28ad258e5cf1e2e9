#include "handle.h"

#include "error.h"
#include "named.h"
#include "notify.h"
#include "options.h"

#include <string.h>

int ipm_segment_fail_forked(const ipm_segment *segment, ipm_error *error) {
    return ipm_fail(error, IPM_EFORKED, 0,
                    "%s: the handle was opened before a fork, by the parent; open one here",
                    segment->name);
}

int ipm_segment_check_fork(const ipm_segment *segment, ipm_error *error) {
    return segment->generation == ipm_fork_generation ? IPM_OK
                                                      : ipm_segment_fail_forked(segment, error);
}

bool ipm_segment_has_name(ipm_segment *segment) {
    static const _Atomic uint32_t lost = 1;
    ipm_datafile *data = &segment->data;
    ipm_naming naming = ipm_named(segment->names.path, data->device, data->inode, data->map);
    if (naming == IPM_NAMED)
        return true;
    if (naming == IPM_REMOVED && segment->role != IPM_READER) {
        ipm_datafile_retire(data, IPM_RETIRED);
        ipm_notify_all(&segment->lockfile.head->notify);
    }
    data->retired = segment->lock.retired = &lost;
    return false;
}

int ipm_segment_check_name(ipm_segment *segment, ipm_error *error) {
    return ipm_segment_has_name(segment) ? IPM_OK : ipm_segment_go_over(segment, error);
}

int ipm_segment_fail_replaced(const ipm_segment *segment, ipm_error *error) {
    const char *text = "%s was replaced or destroyed since it was opened; open it again";
    if (segment->options.follow)
        text = "%s was replaced or destroyed, and the handle has no other one to follow yet";
    else if (segment->data.kept.is_open)
        text = "%s was replaced, destroyed or copied to the upper layer of its overlay file system "
               "since it was opened; open it again";
    return ipm_fail(error, IPM_EREPLACED, 0, text, segment->names.path);
}

int ipm_segment_look_at_directories(ipm_segment *segment, const ipm_options *options,
                                    ipm_error *error) {
    const ipm_names *names = &segment->names;
    ipm_trust trust = ipm_options_trust(options);
    int code = ipm_directory_look(names->mmap_dir, trust, &segment->mmap_dir, error);
    segment->lock_dir = segment->mmap_dir;
    if (code == IPM_OK && strcmp(names->mmap_dir, names->lock_dir) != 0)
        code = ipm_directory_look(names->lock_dir, trust, &segment->lock_dir, error);
    return code;
}
