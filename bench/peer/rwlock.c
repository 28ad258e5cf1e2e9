/* glibc's pthread_rwlock between processes, which stays locked if its owner dies: lock for reading,
 * read 4 bytes, unlock. */
#include "../measure.h"

#include <pthread.h>
#include <sys/mman.h>

typedef struct shared {
    pthread_rwlock_t lock;
    volatile uint32_t value;
} shared;

static void look(void *with, uint64_t count) {
    shared *s = with;
    for (uint64_t i = 0; i < count; i++) {
        pthread_rwlock_rdlock(&s->lock);
        (void)s->value;
        pthread_rwlock_unlock(&s->lock);
    }
}

static void *same(void *with, int number) {
    (void)number;
    return with;
}

int main(void) {
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_rwlockattr_t attributes;
    if (s == MAP_FAILED || pthread_rwlockattr_init(&attributes) != 0 ||
        pthread_rwlockattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_rwlock_init(&s->lock, &attributes) != 0)
        die("pthread_rwlock");
    print("rwlock.read", measure_together(1, same, look, s));
    print("rwlock.read_2", measure_together(2, same, look, s));
}
