/*
 * A descriptor that becomes readable when there is news: for event loops, which can sleep on
 * descriptors and not on a futex. ipm_segment_fd and ipm_segment_drain are here.
 *
 * A listener watches the data file with inotify. A commit that finds the listening flag set
 * touches the file's times, which inotify reports. Whatever removes the file's name is reported
 * too, without anybody's doing.
 */
#ifndef IPM_CORE_LISTEN_H
#define IPM_CORE_LISTEN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* What ipm_segment's `listener` is before ipm_segment_fd. */
#define IPM_NO_LISTENER (-1)

/*
 * Tell the news, which is stored already, to those who asked. A full fence lies between storing
 * the news and this call (ipm_notify_tell has one).
 * path     of the data file
 * returns  false: it was asked, and there is no file at the path
 */
bool ipm_listen_tell(_Atomic uint32_t *listening, const char *path);

#endif
