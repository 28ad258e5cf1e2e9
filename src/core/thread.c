#include "thread.h"

#include "fork.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>

_Thread_local IPM_NEAR ipm_thread ipm_this_thread;

static pthread_once_t thread_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_result;

/* The kernel unlocks the mutexes of a thread that has ended, but the handles would stay locked. */
static void end(void *self) {
    ipm_thread *thread = self;
    if (thread->generation == ipm_fork_generation)
        while (thread->held != NULL)
            thread->abandon(thread->held);
    thread->generation = 0; /* if another destructor locks: prepare it again */
}

static void make_key(void) {
    key_result = pthread_key_create(&key, end);
}

int ipm_thread_prepare(ipm_thread *thread, void (*abandon)(struct ipm_rwlock *held)) {
    static _Atomic uint64_t threads;
    pthread_once(&thread_once, make_key);
    if (key_result != 0)
        return key_result;
    int rc = pthread_setspecific(key, thread);
    if (rc != 0)
        return rc;
    if (thread->number == 0)
        thread->number = atomic_fetch_add_explicit(&threads, 1, memory_order_relaxed) + 1;
    thread->held = NULL;
    thread->abandon = abandon;
    thread->generation = ipm_fork_generation;
    return 0;
}
