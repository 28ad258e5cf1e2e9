/*
 * Noticing a fork without a system call, and closing in its child the descriptors that belong to
 * the parent alone.
 */
#ifndef IPM_CORE_FORK_H
#define IPM_CORE_FORK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Counts the forks between the first process and this one. A handle keeps the value of the time
 * when it was opened. If the two differ, the handle belongs to the parent, and its memory is not
 * mapped here. The count changes only in a fork's child, before any other code runs there.
 */
extern uint32_t ipm_fork_generation;

/* Start to count. May be called again. returns  0 or an errno */
int ipm_fork_watch(void);

/*
 * A descriptor that a handle keeps open. A fork's child closes its copy before any other code runs
 * there, so that the file locks of the descriptor end with the parent. All zeros: no descriptor.
 */
typedef struct ipm_kept {
    bool is_open; /* only the handle's thread uses it; other threads change the links */
    int fd;
    struct ipm_kept *next;
    struct ipm_kept **link; /* the pointer to this one */
} ipm_kept;

/* Keep fd open. ipm_fork_watch was called before; *kept does not move until it is closed. */
void ipm_kept_open(ipm_kept *kept, int fd);

/* Exchange the descriptors of two structs. Each struct may be empty. */
void ipm_kept_exchange(ipm_kept *a, ipm_kept *b);

/* Close the descriptor. Harmless if there is none. */
void ipm_kept_close(ipm_kept *kept);

#endif
