/* The queue for the lock's gate: its order, and processes in it that die, stop or give up. */
#include "../../src/core/mutex.h"
#include "lock_fixture.h"

#include <sys/syscall.h>

static ipm_queue_place *place_of(uint32_t ticket) {
    return &lock.shared->places[ticket % IPM_PLACES].place;
}

/* Wait until the condition is true, for 20 s at most. */
#define AWAIT(condition)                                                                           \
    do {                                                                                           \
        for (int tries = 0; tries < 20000 && !tap.bad && !(condition); tries++)                    \
            ipm_clock_nap(MS);                                                                     \
        CHECK(condition);                                                                          \
    } while (0)

/* If this is set, a wait for a mutex has no deadline. So only a wake-up ends it, and no thread goes
 * ahead of a process that does not run. This does not work with musl. */
static bool endless;

#ifdef __GLIBC__
static int64_t first_slice; /* of the first wait for the gate, in nanoseconds; 0: none yet */

int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until) {
    struct timespec now, real;
    if (first_slice == 0 && mutex == &lock.shared->gate.mutex)
        first_slice = until->tv_sec * SECOND + until->tv_nsec - ipm_clock_now();
    if (endless)
        return pthread_mutex_lock(mutex);
    clock_gettime(clock, &now);
    clock_gettime(CLOCK_REALTIME, &real);
    int64_t ns = (until->tv_sec - now.tv_sec + real.tv_sec) * SECOND + until->tv_nsec -
                 now.tv_nsec + real.tv_nsec;
    return pthread_mutex_timedlock(
        mutex, &(struct timespec){.tv_sec = ns / SECOND, .tv_nsec = ns % SECOND});
}

/* Whether the process sleeps in the kernel on the mutex. A mutex begins with its futex. */
static bool sleeps_on(const peer *p, const pthread_mutex_t *mutex) {
    char path[64];
    long number = 0;
    unsigned long address = 0;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)p->pid);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    int read = fscanf(file, "%ld %lx", &number, &address);
    fclose(file);
    return read == 2 && number == SYS_futex && address == (uintptr_t)mutex;
}
#endif

static bool is_urgent(void) {
    return ipm_queue_is_urgent(&lock.shared->queue);
}

/* Start a peer, and return when it has a place in the queue. The lock must be held. */
static peer queued(void (*body)(peer *)) {
    uint32_t ticket = lock.shared->queue.tickets;
    peer p = start(body);
    AWAIT(lock.shared->queue.tickets == ticket + 1);
    return p;
}

static void stop(peer *p) {
    kill(p->pid, SIGSTOP);
    CHECK_INT(waitpid(p->pid, NULL, WUNTRACED), p->pid);
}

static void gets_in(peer *p) {
    CHECK_INT(hear(p), 'h');
    let_go(p);
}

static void take(void) {
    CHECK_INT(ipm_rwlock_write(&lock, SECOND), IPM_OK);
}

static void release(void) {
    CHECK_INT(ipm_rwlock_unlock(&lock), IPM_OK);
}

/* Each peer keeps the lock until the test tells it to unlock. So the test fails if the order is
 * wrong. */
static void goes_in_the_order_in_which_they_came(void) {
    void (*const bodies[])(peer *) = {writes, reads, writes, writes, reads};
    peer peers[5];
    fresh();
    endless = true;
    lock.shared->queue.tickets = UINT32_MAX - 1;
    take();
    for (int i = 0; i < 5; i++) {
        uint32_t ticket = lock.shared->queue.tickets;
        peers[i] = queued(bodies[i]);
        AWAIT(place_of(ticket)->ticket == ticket);
    }
    release();
    for (int i = 0; i < 5; i++)
        gets_in(&peers[i]);
    endless = false;
}

static void lets_the_one_that_waits_go_first(void) {
    void (*const bodies[])(peer *) = {writes, reads};
    for (int i = 0; i < 2; i++) {
        fresh();
        take();
        peer p = queued(bodies[i]);
        AWAIT(is_urgent());
        release();
        CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
        gets_in(&p);
        CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
        CHECK(!is_urgent());
        release();
    }
}

/* After a try that fails the queue is empty. */
static void does_not_queue_for_a_try(void) {
    fresh();
    peer p = holder(writes);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(lock.shared->queue.tickets, 0);
    lock.shared->queue.urgent = 1;
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_ETIMEOUT);
    CHECK_INT(ipm_rwlock_read(&lock, 0), IPM_ETIMEOUT);
    let_go(&p);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK(!is_urgent());
    release();
}

static void passes_over_three_that_died(void) {
    lock.shared->queue.tickets = 0;
    take();
    peer first = queued(writes), second = queued(reads), third = queued(writes);
    peer fourth = queued(reads), fifth = queued(writes);
    kill_peer(&second);
    kill_peer(&third);
    kill_peer(&first);
    release();
    gets_in(&fourth);
    gets_in(&fifth);
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    release();
}

/* Repeat until the same places are used again. */
static void passes_over_those_that_died(void) {
    fresh();
    endless = true;
    for (int i = 0; i < 3; i++)
        passes_over_three_that_died();
    endless = false;
}

static void takes_back_the_urgency_of_one_that_died(void) {
    fresh();
    take();
    peer p = queued(writes);
    AWAIT(is_urgent());
    kill_peer(&p);
    release();
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    CHECK(!is_urgent());
    release();
}

static void is_not_held_up_by_one_that_is_stopped(void) {
    fresh();
    take();
    peer stopped = queued(writes);
    AWAIT(is_urgent());
    stop(&stopped);
    peer next = queued(writes);
    release();
    CHECK_INT(hear(&next), 'h');
    peer after_it = queued(reads);
    let_go(&next);
    gets_in(&after_it);
    kill(stopped.pid, SIGCONT);
    gets_in(&stopped);
}

/* The second reader does not have to wait until the urgent word is set again. So many readers get
 * in at once. */
static void hands_a_readers_urgency_on(void) {
    void (*const bodies[])(peer *) = {reads, writes};
    for (int i = 0; i < 2; i++) {
        fresh();
        take();
        peer first = queued(bodies[i]);
        AWAIT(is_urgent());
        peer second = queued(reads);
        stop(&second);
        release();
        CHECK_INT(hear(&first), 'h');
        CHECK_INT(is_urgent(), bodies[i] == reads);
        kill(second.pid, SIGCONT);
        let_go(&first);
        gets_in(&second);
        CHECK(!is_urgent());
    }
}

static void gets_in_though_all_places_are_taken(void) {
    fresh();
    take();
    for (uint32_t i = 0; i < IPM_PLACES; i++)
        CHECK_INT(ipm_mutex_try(&place_of(i)->mutex), 0);
    peer p = start(writes);
    AWAIT(is_urgent()); /* its wait for a place has failed */
    release();
    gets_in(&p);
    for (uint32_t i = 0; i < IPM_PLACES; i++)
        pthread_mutex_unlock(&place_of(i)->mutex);
}

static void gets_over_any_words(void) {
    static const uint32_t words[] = {0, 1, 0x7FFFFFFF, 0x80000000, UINT32_MAX};
    for (size_t i = 0; i < 5 * 5 * 2; i++) {
        fresh();
        peer p = holder(writes);
        lock.shared->queue.tickets = words[i % 5];
        lock.shared->queue.urgent = i % 3 == 0;
        for (uint32_t place = 0; place < IPM_PLACES; place++) {
            place_of(place)->ticket = words[i / 5 % 5];
            place_of(place)->served = i >= 5 * 5;
        }
        CHECK_INT(ipm_rwlock_read(&lock, MS), IPM_ETIMEOUT);
        CHECK_INT(ipm_rwlock_write(&lock, MS), IPM_ETIMEOUT);
        peer q = queued(writes);
        let_go(&p);
        gets_in(&q);
        CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
        release();
    }
}

#ifdef __GLIBC__
static void gives_up(peer *test) {
    ipm_rwlock own = side(SLOTS);
    (void)test;
    endless = false;
    _exit(ipm_rwlock_write(&own, 20 * MS) != IPM_ETIMEOUT);
}

/* The last users of these places, 128 tickets before, got the gate. */
static void waits_for_the_one_before_those_that_gave_up_or_died(void) {
    endless = true;
    fresh();
    lock.shared->queue.tickets = IPM_PLACES;
    for (uint32_t i = 0; i < IPM_PLACES; i++) {
        place_of(i)->ticket = i;
        place_of(i)->served = 1;
    }
    take();
    peer first = queued(writes);
    AWAIT(sleeps_on(&first, &lock.shared->gate.mutex));
    CHECK_INT(run_peer(gives_up), 0);
    peer second = queued(writes);
    AWAIT(sleeps_on(&second, &place_of(0)->mutex));
    kill_peer(&second);
    peer third = queued(writes);
    AWAIT(sleeps_on(&third, &place_of(0)->mutex));
    release();
    gets_in(&first);
    gets_in(&third);
    endless = false;
}

static void does_not_wait_for_one_that_came_later(void) {
    endless = true;
    fresh();
    take();
    CHECK_INT(ipm_mutex_try(&place_of(IPM_PLACES - 1)->mutex), 0);
    place_of(IPM_PLACES - 1)->ticket =
        IPM_PLACES - 1; /* later tickets have come to the same place meanwhile */
    peer p = queued(writes);
    AWAIT(sleeps_on(&p, &lock.shared->gate.mutex));
    release();
    gets_in(&p);
    pthread_mutex_unlock(&place_of(IPM_PLACES - 1)->mutex);
    endless = false;
}

/*
 * The unlock of a mutex wakes one of the threads that sleep on it. If another thread takes the
 * mutex first, and the woken thread dies, no thread wakes the others. So only one thread may sleep
 * on it.
 */
static void loses_no_wake_up_to_one_that_dies(void) {
    endless = true;
    fresh();
    take();
    peer first = queued(writes);
    AWAIT(sleeps_on(&first, &lock.shared->gate.mutex));
    peer second = queued(writes);
    AWAIT(sleeps_on(&second, &place_of(0)->mutex));
    stop(&first);
    release(); /* the kernel wakes it, but it is stopped */
    CHECK_INT(ipm_rwlock_write(&lock, 0), IPM_OK);
    kill_peer(&first);
    AWAIT(sleeps_on(&second, &lock.shared->gate.mutex));
    release();
    gets_in(&second);
    endless = false;
}
#endif

#ifdef __GLIBC__
/* The place of the dead process still has the data of its last user, which got the gate. */
static void passes_over_one_that_died_as_it_took_its_ticket(void) {
    fresh();
    endless = true;
    peer first = holder(writes), second = queued(writes);
    uint32_t dead = lock.shared->queue.tickets++;
    place_of(dead)->ticket = dead - IPM_PLACES;
    place_of(dead)->served = 1;
    peer third = queued(writes);
    AWAIT(sleeps_on(&third, &place_of(dead - 1)->mutex));
    let_go(&first);
    gets_in(&second);
    gets_in(&third);
    endless = false;
}
#endif

#ifdef __GLIBC__
static void is_urgent_within_a_millisecond(void) {
    fresh();
    first_slice = 0;
    peer p = holder(writes);
    CHECK_INT(ipm_rwlock_write(&lock, 20 * MS), IPM_ETIMEOUT);
    CHECK(first_slice > -SECOND && first_slice <= MS);
    let_go(&p);
}
#endif

int main(void) {
    set_up_lock();
    run("serves threads in the order in which they came", goes_in_the_order_in_which_they_came);
    run("serves a waiting thread before the thread that held the lock last",
        lets_the_one_that_waits_go_first);
    run("does not queue in a try", does_not_queue_for_a_try);
    run("passes over processes that died in the queue", passes_over_those_that_died);
    run("clears the urgent word that a dead process left set",
        takes_back_the_urgency_of_one_that_died);
    run("is not blocked by a process that is stopped in the queue",
        is_not_held_up_by_one_that_is_stopped);
    run("keeps the urgent word set after a reader, and clears it after a writer",
        hands_a_readers_urgency_on);
    run("serves a thread although all places are taken", gets_in_though_all_places_are_taken);
    run("survives any damage to its words", gets_over_any_words);
#ifdef __GLIBC__
    run("waits for the thread before those that gave up or died",
        waits_for_the_one_before_those_that_gave_up_or_died);
    run("does not wait for a thread that came later", does_not_wait_for_one_that_came_later);
    run("survives the death of a process that was just woken", loses_no_wake_up_to_one_that_dies);
    run("passes over a process that died while it took its ticket",
        passes_over_one_that_died_as_it_took_its_ticket);
    run("the first in the queue sets the urgent word within a millisecond",
        is_urgent_within_a_millisecond);
#endif
    return tear_down();
}
