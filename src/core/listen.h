/*
 * A descriptor that becomes readable when there is news: for event loops, which can sleep on
 * descriptors and not on a futex. ipm_segment_fd and ipm_segment_drain are here.
 *
 * A listener watches the data file with inotify. A commit that finds the listening flag set
 * touches the file's times, which inotify reports. Whatever removes the file's name is reported
 * too, without anybody's doing. An editor that dies before it has touched the file, or that may
 * not, tells nobody: so the descriptor is also readable once nobody has drained it for a second. It
 * is an epoll instance that has both, inotify and a timer.
 */
#ifndef IPM_CORE_LISTEN_H
#define IPM_CORE_LISTEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

typedef struct ipm_listener {
    int fd;     /* what ipm_segment_fd gives; -1: there is none yet */
    int events; /* inotify; -1 for a reader that may not set the flag, which has a timer alone */
    int timer;
} ipm_listener;

#define IPM_NO_LISTENER ((ipm_listener){-1, -1, -1})

/* Close its descriptors, as far as there are any. */
void ipm_listener_close(ipm_listener *listener);

/*
 * Tell the news, which is stored already, to those who asked. A full fence lies between storing
 * the news and this call (ipm_notify_tell has one).
 * path     of the data file
 * returns  false: it was asked, and there is no file at the path
 */
bool ipm_listen_tell(_Atomic uint32_t *listening, const char *path);

#endif
