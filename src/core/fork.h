/*
 * Noticing a fork without a system call, and closing in its child what is the parent's alone.
 */
#ifndef IPM_CORE_FORK_H
#define IPM_CORE_FORK_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Counts the forks that lie between the first process and this one. A handle keeps the value
 * of the time of its opening; where the two differ, the handle is the parent's, and its memory
 * is not even mapped here. Changes only in a fork's child, before any other code runs there.
 */
extern uint32_t ipm_fork_generation;

/* Start to count; repeatable. returns 0 or an errno. */
int ipm_fork_watch(void);

/*
 * A descriptor that a handle keeps open. A fork's child closes its copy before any other code runs
 * there, so that the file locks of the descriptor end with the parent. All zeros: none is kept.
 */
typedef struct ipm_kept {
    bool is_open; /* the handle's thread's alone, unlike the links, which others change */
    int fd;
    struct ipm_kept *next;
    struct ipm_kept **link; /* what points to this one */
} ipm_kept;

/* Keep fd open; ipm_fork_watch was called before. *kept stays where it is until it is dropped. */
void ipm_kept_open(ipm_kept *kept, int fd);

/* Close it. Harmless where none is kept. */
void ipm_kept_close(ipm_kept *kept);

#endif
