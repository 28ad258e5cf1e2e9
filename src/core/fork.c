#include "fork.h"

#include "../ipmmap.h"

#include <pthread.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

uint32_t ipm_fork_generation = 1;

/* For programs. Foreign function interfaces read it faster than a number of 32 bits, of which they
 * cannot know that no store of the program changes it. */
static uintptr_t forks;

static pthread_once_t fork_once = PTHREAD_ONCE_INIT;
static int watch_result;

static pthread_mutex_t list_mutex = PTHREAD_MUTEX_INITIALIZER;
static ipm_kept *all_kept;

/*
 * musl leaves the child the list of robust mutexes that the parent's thread holds. This library's
 * mutexes are not mapped in the child, so the child's first lock would write to foreign memory.
 * Hence the child empties the list, as glibc does by itself. The list begins with the address of
 * its first entry; an empty list begins with its own address.
 */
#ifdef __GLIBC__
static void find_robust_list(void) {
}
static void empty_robust_list(void) {
}
#else
static void **robust_list;

static void find_robust_list(void) {
    size_t length;
    if (syscall(SYS_get_robust_list, 0, &robust_list, &length) != 0)
        robust_list = NULL;
}

static void empty_robust_list(void) {
    if (robust_list != NULL)
        *robust_list = robust_list;
}
#endif

/* The list is locked during a fork: otherwise the child could get a half-changed list. */
static void before(void) {
    pthread_mutex_lock(&list_mutex);
    find_robust_list();
}

static void in_parent(void) {
    pthread_mutex_unlock(&list_mutex);
}

static void in_child(void) {
    empty_robust_list();
    ipm_fork_generation++;
    forks++;
    for (ipm_kept *kept = all_kept; kept != NULL; kept = kept->next) {
        close(kept->fd);
        kept->is_open = false;
    }
    all_kept = NULL;
    pthread_mutex_unlock(&list_mutex);
}

static void watch_forks(void) {
    watch_result = pthread_atfork(before, in_parent, in_child);
}

int ipm_fork_watch(void) {
    pthread_once(&fork_once, watch_forks);
    return watch_result;
}

const uintptr_t *ipm_forks(void) {
    return ipm_fork_watch() == 0 ? &forks : NULL;
}

/* Add to the list, which the caller has locked. */
static void insert(ipm_kept *kept, int fd) {
    *kept = (ipm_kept){.is_open = true, .fd = fd, .next = all_kept, .link = &all_kept};
    if (kept->next != NULL)
        kept->next->link = &kept->next;
    all_kept = kept;
}

static void take_out(ipm_kept *kept) {
    kept->is_open = false;
    *kept->link = kept->next;
    if (kept->next != NULL)
        kept->next->link = kept->link;
}

void ipm_kept_open(ipm_kept *kept, int fd) {
    pthread_mutex_lock(&list_mutex);
    insert(kept, fd);
    pthread_mutex_unlock(&list_mutex);
}

void ipm_kept_exchange(ipm_kept *a, ipm_kept *b) {
    const ipm_kept was_a = *a, was_b = *b;
    pthread_mutex_lock(&list_mutex);
    if (was_a.is_open)
        take_out(a);
    if (was_b.is_open)
        take_out(b);
    if (was_a.is_open)
        insert(b, was_a.fd);
    if (was_b.is_open)
        insert(a, was_b.fd);
    pthread_mutex_unlock(&list_mutex);
}

void ipm_kept_close(ipm_kept *kept) {
    if (!kept->is_open)
        return;
    pthread_mutex_lock(&list_mutex);
    take_out(kept);
    pthread_mutex_unlock(&list_mutex);
    close(kept->fd);
}
