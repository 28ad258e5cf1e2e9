#include "options.h"

#include "error.h"
#include "patch.h"
#include "trailer.h"

#include <string.h>

/*
 * The size of the options in the first version of the header. A new member begins after it, never
 * in its padding: an older program leaves the padding uninitialised.
 */
#define FIRST_SIZE 112
_Static_assert(offsetof(ipm_options, init) == FIRST_SIZE, "the first version ends before `init`");

#define MOST_BYTES 4096 /* of the options of any version */

static int copy(const char *name, const ipm_options *given, ipm_options *options,
                ipm_error *error) {
    memset(options, 0, sizeof *options);
    if (given == NULL)
        return IPM_OK;
    size_t size = given->own_size == 0 ? FIRST_SIZE : given->own_size;
    if (size < sizeof given->own_size || size > MOST_BYTES)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: own_size %zu is not that of an ipm_options",
                        name, size);
    memcpy(options, given, size < sizeof *options ? size : sizeof *options);
    for (size_t i = sizeof *options; i < size; i++)
        if (((const char *)given)[i] != 0)
            return ipm_fail(
                error, IPM_EINVALID, 0,
                "%s: the options have a member that this version of the library, " IPM_VERSION
                ", does not know",
                name);
    return IPM_OK;
}

/* The ring must hold a change of the whole struct: no commit can be too large for it. */
static int check_feed(const ipm_type *type, uint64_t feed, ipm_error *error) {
    if (feed == 0 || ipm_trailer_ring(type->size, feed) != 0)
        return IPM_OK;
    return ipm_fail(error, IPM_EINVALID, 0,
                    "%s: feed %llu is too %s: a change of the whole struct needs %llu bytes",
                    type->name, (unsigned long long)feed, feed > IPM_MAX_RING ? "large" : "small",
                    (unsigned long long)ipm_record_most(type->size));
}

static int check_options(ipm_role role, const ipm_type *type, const ipm_options *options,
                         ipm_error *error) {
    if (!ipm_type_is_shared(type))
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s has no common header: only what extends BaseMmapStructure can be "
                        "shared",
                        type->name);
    if (role != IPM_READER && role != IPM_EDITOR && role != IPM_MANAGER)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: %d is not a role", type->name, (int)role);
    if (role != IPM_MANAGER &&
        (options->create || options->force || options->mode != 0 || options->max_readers != 0 ||
         options->feed != 0 || options->migrate != IPM_MIGRATE_NO || options->init != NULL ||
         options->shares))
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: create, force, migrate, mode, max_readers, shares, init and feed are "
                        "a manager's options",
                        type->name);
    if (role == IPM_MANAGER && options->wait_ns != 0)
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: wait_ns is an option of editors and readers, and a manager makes the "
                        "segment with create",
                        type->name);
    if (options->match != IPM_EXACT && options->match != IPM_SAME_OFFSETS &&
        options->match != IPM_BY_PATH)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: match %d is not an ipm_match", type->name,
                        (int)options->match);
    if (options->force && !options->create)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: force goes with create", type->name);
    if (options->init != NULL && !options->create)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: init goes with create", type->name);
    if ((unsigned)options->migrate > IPM_MIGRATE_LOSSY)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: migrate %d is not an ipm_migrate", type->name,
                        (int)options->migrate);
    if (options->migrate != IPM_MIGRATE_NO && (!options->create || options->force))
        return ipm_fail(error, IPM_EINVALID, 0,
                        "%s: migrate goes with create, and not with force, which starts afresh",
                        type->name);
    if (options->mode > 0777)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: mode %o has more than permission bits",
                        type->name, options->mode);
    if (options->max_readers > IPM_MAX_READERS)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: max_readers %u is outside 1..%d", type->name,
                        options->max_readers, IPM_MAX_READERS);
    if (options->trust == NULL && options->trust_count != 0)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: trust_count is %zu, but trust is NULL",
                        type->name, options->trust_count);
    if (options->path != NULL && (options->tag != NULL || options->mmap_dir != NULL))
        return ipm_fail(error, IPM_EINVALID, 0, "%s: path stands for tag and mmap_dir: give one",
                        type->name);
    int code = check_feed(type, options->feed, error);
    if (code != IPM_OK || options->init == NULL)
        return code;
    return options->shares ? ipm_received_check(type, options->init, error)
                           : ipm_type_check(type, options->init, error);
}

int ipm_options_read(ipm_role role, const ipm_type *type, const ipm_options *given,
                     ipm_options *options, ipm_error *error) {
    int code = copy(type->name, given, options, error);
    if (code == IPM_OK)
        code = check_options(role, type, options, error);
    if (options->mode == 0)
        options->mode = 0600;
    if (options->max_readers == 0)
        options->max_readers = IPM_MAX_READERS;
    return code;
}
