/*
 * The listening flag: how a committer learns that processes listen to the segment, and notifies
 * them.
 *
 * A listener watches the data file with inotify (descriptor.h) and sets the flag in the lock file.
 * A committer that finds the flag set touches the file's times, and inotify reports that to every
 * listener.
 *
 * Model-checked, see proof/.
 */
#ifndef IPM_CORE_LISTENERS_H
#define IPM_CORE_LISTENERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/*
 * Set the flag. The caller watches the file already, and looks at the segment after this call. A
 * full fence lies in between.
 */
void ipm_listeners_ask(_Atomic uint32_t *listening);

/*
 * Notify the listeners of a commit, if the flag is set. A full fence lies between storing the
 * commit and this call (ipm_notify_all has one).
 * path     of the data file
 * returns  false: the flag was set, and there is no file at the path
 */
bool ipm_listeners_notify(_Atomic uint32_t *listening, const char *path);

#endif
