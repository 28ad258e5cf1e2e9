#include "fork.h"

#include <pthread.h>

uint32_t ipm_fork_generation;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int watch_result;

static void in_child(void) {
    ipm_fork_generation++;
}

static void watch(void) {
    watch_result = pthread_atfork(NULL, NULL, in_child);
}

int ipm_fork_watch(void) {
    pthread_once(&once, watch);
    return watch_result;
}
