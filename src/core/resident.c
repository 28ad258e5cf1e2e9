#include "resident.h"

#include "error.h"
#include "page.h"

#include <errno.h>
#include <sys/mman.h>

/* A read alone would leave the page write-protected, and the first write would fault. */
static void touch(uint64_t *word, bool writable) {
    uint64_t seen = __atomic_load_n(word, __ATOMIC_RELAXED);
    if (writable)
        while (!__atomic_compare_exchange_n(word, &seen, seen, true, __ATOMIC_RELAXED,
                                            __ATOMIC_RELAXED))
            ;
}

int ipm_resident(void *map, uint64_t size, bool writable, bool lock, const char *what,
                 ipm_error *error) {
    if (lock && mlock(map, size) != 0)
        return ipm_fail_errno(error, errno,
                              "cannot keep %llu bytes of %s in memory (the limit is ulimit -l)",
                              (unsigned long long)size, what);
    for (uint64_t at = 0; at < size; at += IPM_PAGE)
        touch((uint64_t *)(void *)((unsigned char *)map + at), writable);
    return IPM_OK;
}
