/* An open file description (OFD) lock, which the kernel releases when its owner dies: lock, unlock.
 */
#include "../measure.h"

#include <fcntl.h>

static void lock_and_unlock(void *with, uint64_t count) {
    const int *fd = with;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    for (uint64_t i = 0; i < count; i++) {
        lock.l_type = F_WRLCK;
        fcntl(*fd, F_OFD_SETLKW, &lock);
        lock.l_type = F_UNLCK;
        fcntl(*fd, F_OFD_SETLK, &lock);
    }
}

int main(void) {
    int fd = open(place("ofd"), O_RDWR | O_CREAT, 0600);
    if (fd < 0)
        die("ofd");
    print("ofd.lock", measure(lock_and_unlock, &fd));
}
