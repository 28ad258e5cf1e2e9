/*
 * 2, 4 and 8 processes at once lock one segment for writing, change 4 bytes and commit. They also
 * do this with one robust mutex in place of the lock, for comparison.
 */
#include "../../src/core/mutex.h"
#include "../../src/core/notify.h"
#include "../../src/core/transaction.h"
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <sys/mman.h>

static void update(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(segment, IPM_HEADER_SIZE, 4), (uint32_t)i);
        ipm_segment_unlock(segment, NULL);
    }
}

static void *editor(void *with, int number) {
    (void)number;
    return open_demo(IPM_EDITOR, with);
}

/* ---- With a mutex ------------------------------------------------------------------------ */

typedef struct latched {
    _Alignas(64) pthread_mutex_t mutex;
    _Alignas(64) ipm_state state;
    _Atomic uint32_t news;
    _Atomic uint64_t tags[(DEMO_SIZE + IPM_BLOCK_SIZE - 1) / IPM_BLOCK_SIZE];
    _Alignas(64) unsigned char data[DEMO_SIZE];
    _Alignas(64) unsigned char shadow[DEMO_SIZE];
} latched;

static void update_latched(void *with, uint64_t count) {
    latched *l = with;
    ipm_memory memory = ipm_memory_at(&l->state, l->tags, l->data, l->shadow, DEMO_SIZE);
    ipm_transaction transaction;
    for (uint64_t i = 0; i < count; i++) {
        if (pthread_mutex_lock(&l->mutex) != 0)
            die("pthread_mutex_lock");
        ipm_transaction_open(&transaction, &memory);
        ipm_transaction_change(&transaction, IPM_HEADER_SIZE, 4);
        ipm_store_u32(l->data + IPM_HEADER_SIZE, (uint32_t)i);
        ipm_transaction_commit(&transaction);
        pthread_mutex_unlock(&l->mutex);
        ipm_notify_tell(&l->news);
    }
}

static void *same(void *with, int number) {
    (void)number;
    return with;
}

int main(void) {
    char tag[] = "writers";
    ipm_segment *manager = open_demo(IPM_MANAGER, tag);
    latched *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (l == MAP_FAILED || ipm_mutex_init(&l->mutex, 0, 1) != 0)
        die("latched");
    for (int count = 2; count <= 8; count *= 2) {
        print_contest("writers", count, contest(count, editor, update, tag));
        print_contest("latched", count, contest(count, same, update_latched, l));
    }
    ipm_segment_destroy(manager, NULL);
}
