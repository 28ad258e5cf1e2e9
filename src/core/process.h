/*
 * Whether a process of this pid namespace still lives.
 */
#ifndef IPM_CORE_PROCESS_H
#define IPM_CORE_PROCESS_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/* For diagnosis alone: the kernel may have given a dead process's pid to another one. A process
 * that has died counts as alive until its parent reaps it. */
static inline bool ipm_process_is_alive(int32_t pid) {
    /* EPERM: another user's. Zero and negative numbers would be groups of processes. */
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* Whether a process that counts as alive has died, and its parent has not reaped it yet. Where
 * there is no /proc: false. cost  three system calls */
bool ipm_process_is_zombie(int32_t pid);

#endif
