/* Lock for writing, change 4 bytes, commit, after readers have used 1 to 128 slots. */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static void update(void *with, uint64_t count) {
    ipm_segment *segment = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(segment, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(segment, IPM_HEADER_SIZE, 4), (uint32_t)i);
        ipm_segment_unlock(segment, NULL);
    }
}

/* Let `count` processes hold the read lock at once. */
static void use_slots(int count) {
    int ready[2];
    int go[2];
    char byte = 0;
    if (pipe(ready) != 0 || pipe(go) != 0)
        die("pipe");
    for (int i = 0; i < count; i++)
        if (fork() == 0) {
            ipm_error error;
            close(go[1]);
            ipm_segment *reader = open_demo(IPM_READER, "slots");
            check(ipm_segment_lock(reader, IPM_FOREVER, &error), &error);
            if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 0)
                _exit(1);
            _exit(ipm_segment_unlock(reader, &error));
        }
    for (int i = 0; i < count; i++)
        if (read(ready[0], &byte, 1) != 1)
            die("a reader that did not get its lock");
    close(go[1]);
    while (wait(NULL) > 0)
        ;
    close(go[0]);
    close(ready[0]);
    close(ready[1]);
}

int main(void) {
    ipm_segment *segment = open_demo(IPM_MANAGER, "slots");
    for (int slots = 1; slots <= IPM_MAX_READERS; slots *= 2) {
        char metric[32];
        use_slots(slots);
        snprintf(metric, sizeof metric, "slots.write/%d", slots);
        print(metric, measure(update, segment));
    }
    ipm_segment_destroy(segment, NULL);
}
