/*
 * Changing one value by its path.
 */
#include "error.h"
#include "follow.h"
#include "fork.h"
#include "handle.h"
#include "path.h"

#include <string.h>

typedef struct putting {
    ipm_segment *segment;
    const char *path;
    const void *from;
    uint64_t size;
    ipm_error *error;
} putting;

static const ipm_type *type_of(const putting *p) {
    return ipm_layout_type(ipm_segment_layout(p->segment));
}

/* Whether the layout has the part, and the value may be there. */
static int check_value(const putting *p) {
    const ipm_type *part;
    uint64_t offset;
    ipm_error detail;
    int code = ipm_type_find(type_of(p), p->path, strlen(p->path), &part, &offset, p->error);
    if (code != IPM_OK)
        return code;
    if (part->size != p->size)
        return ipm_fail(p->error, IPM_EINVALID, 0, "%s: %s has %llu bytes, not %llu",
                        p->segment->name, p->path, (unsigned long long)part->size,
                        (unsigned long long)p->size);
    if (ipm_type_check(part, p->from, &detail) == IPM_OK)
        return IPM_OK;
    return ipm_fail(p->error, IPM_EINVALID, 0, "%s: %s: %s", p->segment->name, p->path,
                    detail.text);
}

/* In the handle's lock: whether the part is there, and the change. */
static int change(const putting *p) {
    const ipm_type *part;
    uint64_t offset;
    int code = ipm_type_find_in(type_of(p), ipm_segment_data(p->segment), p->path, strlen(p->path),
                                &part, &offset, p->error);
    return code == IPM_OK ? ipm_segment_write(p->segment, offset, p->size, p->from, p->error)
                          : code;
}

static int change_alone(const putting *p) {
    uint64_t openings = p->segment->openings;
    int code = ipm_segment_lock(p->segment, IPM_FOREVER, p->error);
    if (code != IPM_OK)
        return code;
    if (p->segment->openings != openings) /* the new file may have other limits */
        code = check_value(p);
    if (code == IPM_OK)
        code = change(p);
    if (code == IPM_OK)
        return ipm_segment_unlock(p->segment, p->error);
    ipm_segment_rollback(p->segment, NULL);
    return code;
}

int ipm_segment_put(ipm_segment *segment, const char *path, const void *from, uint64_t size,
                    ipm_error *error) {
    const putting p = {segment, path, from, size, error};
    int code;
    if (segment->role == IPM_READER)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: a reader cannot write", segment->name);
    do {
        code = ipm_segment_check(segment, error);
        if (code == IPM_OK)
            code = check_value(&p);
        if (code != IPM_OK)
            return code;
        if (segment->view != NULL)
            return change(&p);
        code = change_alone(&p);
    } while (code == IPM_EREPLACED && ipm_segment_follows(segment));
    return code;
}
