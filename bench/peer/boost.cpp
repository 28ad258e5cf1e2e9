/* Boost.Interprocess's sharable mutex, which stays locked if its owner dies: lock for reading,
 * read 4 bytes, unlock. */
#include "../measure.h"

#include <boost/interprocess/sync/interprocess_sharable_mutex.hpp>
#include <new>
#include <sys/mman.h>

namespace {

struct Shared {
    boost::interprocess::interprocess_sharable_mutex lock;
    volatile uint32_t value;
};

void look(void *with, uint64_t count) {
    Shared *shared = static_cast<Shared *>(with);
    for (uint64_t i = 0; i < count; i++) {
        shared->lock.lock_sharable();
        (void)shared->value;
        shared->lock.unlock_sharable();
    }
}

void *same(void *with, int) {
    return with;
}

} // namespace

int main() {
    void *memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        die("mmap");
    Shared *shared = new (memory) Shared();
    print("boost.read", measure_together(1, same, look, shared));
    print("boost.read_2", measure_together(2, same, look, shared));
}
