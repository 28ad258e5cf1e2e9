/*
 * Which process this is, and whether another one still lives.
 */
#ifndef IPM_CORE_PROCESS_H
#define IPM_CORE_PROCESS_H

#include "../ipmmap.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * A process, so that another one that gets its pid later is not taken for it. Its start tells the
 * two apart, and the boot does so after a reboot. The pid counts only in its own pid namespace.
 */
typedef struct ipm_identity {
    int32_t pid;    /* 0: not known */
    uint32_t space; /* the inode of the pid namespace; 0: not known */
    uint64_t start; /* in clock ticks after the boot, as in /proc/PID/stat; 0: not known */
    uint32_t boot;  /* the first digits of the kernel's boot_id; 0: not known */
    uint32_t clock; /* the inode of the time namespace; 0: not known, or the kernel has none */
} ipm_identity;

/* This process. It is looked up once, and again in a fork's child. cost  at first eight system
 * calls */
ipm_identity ipm_process_self(void);

/* For diagnosis alone: the kernel may have given a dead process's pid to another one. A process
 * that has died counts as alive until its parent reaps it. */
static inline bool ipm_process_is_alive(int32_t pid) {
    /* EPERM: another user's. Zero and negative numbers would be groups of processes. */
    return pid > 0 && (kill(pid, 0) == 0 || errno == EPERM);
}

/* Whether a process that counts as alive has died, and its parent has not reaped it yet. Where
 * there is no /proc: false. cost  three system calls */
bool ipm_process_is_zombie(int32_t pid);

/*
 * Whether the process of this pid namespace that started then still lives. One that has died does
 * not, even if its parent has not reaped it. If /proc does not tell, the pid decides.
 * cost  four system calls
 */
bool ipm_process_lives(int32_t pid, uint64_t start);

/* The same for an identity that is perhaps of another namespace, or from before a reboot. */
ipm_life ipm_process_life(const ipm_identity *identity);

#endif
