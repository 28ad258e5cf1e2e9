/*
 * A descriptor that becomes readable when there may be a new commit: for event loops, which can
 * sleep on descriptors and not on a futex.
 *
 * It is an epoll instance over two descriptors. One is an inotify instance that watches the data
 * file: a commit touches the file while the listening flag is set (listeners.h), and the kernel
 * itself reports that the file's name is removed. The other one is a timer that fires once nobody
 * has drained the descriptor for a second: an editor that dies before it touches the file, or that
 * may not touch it, notifies nobody.
 *
 * A reader that may not set the flag has a timer alone, which fires every 10 ms.
 */
#ifndef IPM_CORE_DESCRIPTOR_H
#define IPM_CORE_DESCRIPTOR_H

#include "../ipmmap.h"

#include <sys/types.h>

typedef struct ipm_descriptor {
    int fd;     /* what event loops sleep on; -1: the descriptor is not open */
    int events; /* of inotify; or -1: there is a timer alone */
    int timer;
    int watch;       /* the number that inotify gave */
    int64_t tick_ns; /* the period of the timer */
} ipm_descriptor;

#define IPM_NO_DESCRIPTOR ((ipm_descriptor){.fd = -1, .events = -1, .timer = -1, .watch = -1})

/*
 * Open one.
 * path     of the data file, which must have that device and inode
 * watches  whether to watch the file; false: a timer alone
 * returns  IPM_EREPLACED: another file is at the path; IPM_ESYSTEM, ...
 */
int ipm_descriptor_open(const char *path, dev_t device, ino_t inode, bool watches,
                        ipm_descriptor *descriptor, ipm_error *error);

/*
 * Watch another file, which has the path now, and make the descriptor readable.
 * is_told  whether commits touch the file
 * returns  as ipm_descriptor_open; on failure it still watches the old file
 */
int ipm_descriptor_move(ipm_descriptor *descriptor, const char *path, dev_t device, ino_t inode,
                        bool is_told, ipm_error *error);

/* Make it unreadable until the next event, and start its timer anew. */
void ipm_descriptor_drain(const ipm_descriptor *descriptor);

/* Harmless on one that is not open. */
void ipm_descriptor_close(ipm_descriptor *descriptor);

#endif
