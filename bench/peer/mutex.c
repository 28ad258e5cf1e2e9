/* One robust pthread_mutex between processes: 2, 4 and 8 of them lock it, change 4 bytes, unlock.
 */
#include "../measure.h"

#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>

typedef struct shared {
    pthread_mutex_t mutex;
    volatile uint32_t value;
} shared;

static void update(void *with, uint64_t count) {
    shared *s = with;
    for (uint64_t i = 0; i < count; i++) {
        if (pthread_mutex_lock(&s->mutex) != 0)
            die("pthread_mutex_lock");
        s->value++;
        pthread_mutex_unlock(&s->mutex);
    }
}

static void *same(void *with, int number) {
    (void)number;
    return with;
}

int main(void) {
    shared *s = mmap(NULL, sizeof *s, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    pthread_mutexattr_t attributes;
    if (s == MAP_FAILED || pthread_mutexattr_init(&attributes) != 0 ||
        pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED) != 0 ||
        pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST) != 0 ||
        pthread_mutex_init(&s->mutex, &attributes) != 0)
        die("pthread_mutex");
    for (int count = 2; count <= 8; count *= 2)
        print_contest("mutex", count, contest(count, same, update, s));
}
