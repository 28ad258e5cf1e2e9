/* Waits that a signal handler or another thread interrupts, at any moment. */
#include "../../src/core/segment.h"
#include "../../src/core/wait.h"
#include "fixture.h"
#include "other_libc.h"
#include "peer.h"

#include <pthread.h>

enum { ROUNDS = 100 };

#define LONG (20 * SECOND)

static ipm_segment *manager, *waiting;

static void destroy(void) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    ipm_segment_close(manager, NULL);
}

static int wait_for(int64_t timeout_ns) {
    uint64_t now;
    return ipm_segment_wait(waiting, 0, timeout_ns, &now, &error);
}

static void ends_the_next_wait(void) {
    manager = waiting = opened(IPM_MANAGER, "");
    ipm_segment_interrupt(manager);
    ipm_segment_interrupt(manager);
    CHECK_ERROR(wait_for(LONG), IPM_EINTERRUPTED, "Demo: the wait for a commit");
    CHECK_INT(wait_for(MS), IPM_ETIMEOUT);
    destroy();
}

static void holds_the_lock(peer *test) {
    ipm_segment *holder = opened(IPM_EDITOR, "");
    CHECK_INT(ipm_segment_lock(holder, 0, &error), IPM_OK);
    tell(test, 'l');
    hear(test);
    CHECK_INT(ipm_segment_unlock(holder, &error), IPM_OK);
    ipm_segment_close(holder, NULL);
}

static void ends_the_next_wait_for_the_lock(void) {
    manager = opened(IPM_MANAGER, "");
    peer holder = start(holds_the_lock);
    CHECK_INT(hear(&holder), 'l');
    ipm_segment_interrupt(manager);
    CHECK_INT(ipm_segment_lock(manager, LONG, &error), IPM_EINTERRUPTED);
    CHECK_INT(ipm_segment_lock(manager, MS, &error), IPM_ETIMEOUT);
    CHECK_INT(finish(&holder), 0);
    destroy();
}

static void ends_nothing_that_needs_no_wait(void) {
    uint64_t now;
    manager = waiting = opened(IPM_MANAGER, "");
    ipm_segment_interrupt(manager);
    CHECK_INT(wait_for(0), IPM_ETIMEOUT);
    CHECK_INT(commit(manager, 5), IPM_OK);
    CHECK_INT(wait_for(LONG), IPM_OK);
    CHECK_INT(ipm_segment_wait(manager, 1, LONG, &now, &error), IPM_EINTERRUPTED);
    destroy();
}

static void interrupt_it(int signal) {
    (void)signal;
    ipm_segment_interrupt(waiting);
}

/* The body of a process whose waits end only when they are interrupted. */
static void waits(peer *test, int (*wait)(void)) {
    struct sigaction action = {.sa_handler = interrupt_it, .sa_flags = SA_RESTART};
    waiting = opened(IPM_EDITOR, "");
    sigaction(SIGUSR1, &action, NULL);
    tell(test, 'r');
    while (hear(test) == 'g') {
        tell(test, 'o');
        tell(test, wait() == IPM_EINTERRUPTED ? 'i' : 'x');
    }
    ipm_segment_close(waiting, NULL);
}

static int wait_for_a_commit(void) {
    return wait_for(LONG);
}

static int wait_for_the_lock(void) {
    return ipm_segment_lock(waiting, LONG, &error);
}

static void waits_for_commits(peer *test) {
    waits(test, wait_for_a_commit);
}

static void waits_for_locks(peer *test) {
    waits(test, wait_for_the_lock);
}

/* Return when the process sleeps. */
static void await_sleep(pid_t pid) {
    char path[64], state;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    do {
        FILE *stat = fopen(path, "r");
        state = '?';
        CHECK_INT(fscanf(stat, "%*d (%*[^)]) %c", &state), 1);
        fclose(stat);
    } while (state != 'S' && !tap.bad);
}

/* Send one signal for each wait: in every second round while the process sleeps, in the others at
 * any time before that. */
static void interrupts(void (*body)(peer *), ipm_segment *locked, int rounds) {
    peer p = start(body);
    CHECK_INT(hear(&p), 'r');
    if (locked != NULL)
        CHECK_INT(ipm_segment_lock(locked, 0, &error), IPM_OK);
    for (int round = 0; round < rounds && !tap.bad; round++) {
        tell(&p, 'g');
        CHECK_INT(hear(&p), 'o');
        for (volatile int spin = round * 100; spin > 0; spin--)
            ;
        if (round % 2 == 1)
            await_sleep(p.pid);
        kill(p.pid, SIGUSR1);
        CHECK_INT(hear(&p), 'i');
    }
    CHECK_INT(finish(&p), 0);
}

static void misses_no_signal_in_a_wait_for_a_commit(void) {
    manager = opened(IPM_MANAGER, "");
    interrupts(waits_for_commits, NULL, ROUNDS);
    destroy();
}

static void misses_no_signal_in_a_wait_for_the_lock(void) {
    manager = opened(IPM_MANAGER, "");
    interrupts(waits_for_locks, manager, 20);
    CHECK_INT(ipm_segment_rollback(manager, &error), IPM_OK);
    CHECK_INT(commit(manager, 5), IPM_OK);
    destroy();
}

static void misses_no_signal_while_readers_are_waited_for(void) {
    manager = opened(IPM_MANAGER, "");
    ipm_segment *reader = opened(IPM_READER, "");
    interrupts(waits_for_locks, reader, 5);
    CHECK_INT(ipm_segment_unlock(reader, &error), IPM_OK);
    CHECK_INT(commit(manager, 5), IPM_OK);
    ipm_segment_close(reader, NULL);
    destroy();
}

/* Without the lock file, which seems to be in use by another libc, the waiter cannot be woken. */
static void ends_a_wait_without_a_lock_file(void) {
    manager = opened(IPM_MANAGER, "");
    waiting = lock_free_reader(manager);
    ipm_segment_interrupt(waiting);
    CHECK_INT(wait_for(LONG), IPM_EINTERRUPTED);
    CHECK_INT(wait_for(MS), IPM_ETIMEOUT);
    ipm_segment_close(waiting, NULL);
    destroy();
}

static void *interrupt_from_a_thread(void *unused) {
    (void)unused;
    ipm_segment_interrupt(waiting);
    return NULL;
}

static void can_be_called_by_another_thread(void) {
    manager = waiting = opened(IPM_MANAGER, "");
    for (int round = 0; round < ROUNDS; round++) {
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, interrupt_from_a_thread, NULL), 0);
        CHECK_INT(wait_for(LONG), IPM_EINTERRUPTED);
        pthread_join(thread, NULL);
    }
    destroy();
}

static void keeps_errno(void) {
    manager = waiting = opened(IPM_MANAGER, "");
    CHECK_INT(wait_for(MS), IPM_ETIMEOUT); /* it has announced a sleeper, who is to be woken */
    errno = 77;
    ipm_segment_interrupt(manager);
    CHECK_INT(errno, 77);
    ipm_segment_interrupt(NULL);
    CHECK_INT(errno, 77);
    destroy();
}

/* The lowest bit of the futex says that a process sleeps on it. */
static void wakes_the_sleepers_at_once(void) {
    manager = waiting = opened(IPM_MANAGER, "");
    _Atomic uint32_t *word = &manager->lockfile.head->notify;
    CHECK_INT(wait_for(MS), IPM_ETIMEOUT);
    CHECK_INT(*word & 1, 1);
    ipm_segment_interrupt(manager);
    CHECK_INT(*word & 1, 0);
    destroy();
}

/* The second time that it is asked, it ends the wait. */
static const void *asked_twice(void *times) {
    return ++*(int *)times == 2 ? times : NULL;
}

static void a_question_ends_a_wait_for_the_lock(void) {
    int times = 0;
    manager = opened(IPM_MANAGER, "");
    peer holder = start(holds_the_lock);
    CHECK_INT(hear(&holder), 'l');
    ipm_segment_ask(manager, asked_twice, &times);
    CHECK_INT(ipm_segment_lock(manager, LONG, &error), IPM_EINTERRUPTED);
    CHECK_INT(times, 2);
    ipm_segment_ask(manager, NULL, NULL);
    CHECK_INT(ipm_segment_lock(manager, MS, &error), IPM_ETIMEOUT);
    CHECK_INT(times, 2);
    CHECK_INT(finish(&holder), 0);
    destroy();
}

static void interrupts_its_parents(peer *test) {
    (void)test;
    ipm_segment_interrupt(waiting);
}

static void does_nothing_in_a_forks_child(void) {
    manager = waiting = opened(IPM_MANAGER, "");
    CHECK_INT(run_peer(interrupts_its_parents), 0);
    CHECK_INT(wait_for(MS), IPM_ETIMEOUT);
    destroy();
}

int main(void) {
    set_up();
    run("an interruption ends the next wait, and no other", ends_the_next_wait);
    run("an interruption ends the next wait for the lock, and no other",
        ends_the_next_wait_for_the_lock);
    run("an interruption has no effect on a call that does not wait",
        ends_nothing_that_needs_no_wait);
    run("no signal is missed in a wait for a commit", misses_no_signal_in_a_wait_for_a_commit);
    run("no signal is missed in a wait for the lock", misses_no_signal_in_a_wait_for_the_lock);
    run("no signal is missed while a writer waits for readers",
        misses_no_signal_while_readers_are_waited_for);
    run("an interruption ends a wait without a lock file", ends_a_wait_without_a_lock_file);
    run("another thread can interrupt a wait", can_be_called_by_another_thread);
    run("an interruption keeps errno", keeps_errno);
    run("an interruption wakes the sleepers at once", wakes_the_sleepers_at_once);
    run("a question that is asked between slices ends a wait for the lock",
        a_question_ends_a_wait_for_the_lock);
    run("an interruption does nothing in a fork's child", does_nothing_in_a_forks_child);
    return tear_down();
}
