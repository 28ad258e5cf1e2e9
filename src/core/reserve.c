#include "reserve.h"

#include "error.h"

#include <errno.h>
#include <sys/mman.h>

int ipm_reserve(uint64_t size, const char *name, void **memory, ipm_error *error) {
    void *map = mmap(NULL, size, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (map == MAP_FAILED)
        return ipm_fail_errno(error, errno, "cannot reserve %llu bytes for a copy of %s",
                              (unsigned long long)size, name);
    *memory = map;
    return IPM_OK;
}

void ipm_unreserve(void *memory, uint64_t size) {
    if (memory != NULL)
        munmap(memory, size);
}
