/*
 * A lock file that seems to be in use by another libc, so that readers open lock-free.
 */
#ifndef OTHER_LIBC_H
#define OTHER_LIBC_H

#include "../../src/core/segment.h"
#include "fixture.h"

/* Another call undoes this. */
static inline void seem_of_another_libc(ipm_segment *user) {
    user->lockfile.head->abi[0] ^= 1;
}

static inline ipm_segment *lock_free_reader(ipm_segment *user) {
    seem_of_another_libc(user);
    ipm_segment *reader = opened(IPM_READER, "");
    seem_of_another_libc(user);
    CHECK(reader->lockfile.head == NULL);
    return reader;
}

#endif
