/*
 * Turns between two processes, each on a processor of its own: this process sends a message, and a
 * child that sleeps until then receives it and answers by a futex.
 */
#ifndef BENCH_TURN_H
#define BENCH_TURN_H

#include "../measure.h"

#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct turns {
    void (*send)(const void *message, size_t size);
    size_t size;
    _Atomic uint32_t *answer;
} turns;

static void take_turns(void *with, uint64_t count) {
    static unsigned char message[DEMO_SIZE];
    const turns *t = with;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t value = atomic_load(t->answer);
        memset(message, (int)value, t->size);
        t->send(message, t->size);
        while (atomic_load(t->answer) == value)
            syscall(SYS_futex, t->answer, 0, value, NULL, NULL, 0); /* FUTEX_WAIT */
    }
}

static double measure_turns(void (*send)(const void *, size_t), void (*receive)(void *, size_t),
                            size_t size) {
    void *word = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (word == MAP_FAILED)
        die("mmap");
    turns t = {send, size, word};
    keep_apart(0);
    pid_t child = fork();
    if (child == 0) {
        unsigned char copy[DEMO_SIZE];
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        keep_apart(1);
        for (uint32_t value = 1;; value++) {
            receive(copy, size);
            atomic_store(t.answer, value);
            syscall(SYS_futex, t.answer, 1, INT_MAX, NULL, NULL, 0); /* FUTEX_WAKE */
        }
    }
    double took = measure(take_turns, &t);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    munmap(word, 4096);
    return took;
}

#endif
