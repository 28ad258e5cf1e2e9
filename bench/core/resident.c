/* Resident memory of a process per open segment, with 1, 100 and 10,000 segments open. */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define MOST 10000

static double resident(void) {
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file == NULL || fscanf(file, "%*u %lu", &pages) != 1)
        die("/proc/self/statm");
    fclose(file);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

/* Each segment is locked and written to once, so that all memory for its use is resident. */
static ipm_segment *open_used(int number) {
    char tag[32];
    snprintf(tag, sizeof tag, "resident%d", number);
    ipm_segment *segment = open_demo(IPM_MANAGER, tag);
    ipm_segment_lock(segment, IPM_FOREVER, NULL);
    ipm_store_u32(ipm_segment_change(segment, IPM_HEADER_SIZE, 4), 1);
    ipm_segment_unlock(segment, NULL);
    return segment;
}

int main(void) {
    static ipm_segment *open[MOST];
    ipm_segment_destroy(open_used(0), NULL); /* once: what only the first segment needs */
    double before = resident();
    int opened = 0;
    for (int count = 1; count <= MOST; count *= 100) {
        char metric[32];
        while (opened < count) {
            open[opened] = open_used(opened);
            opened++;
        }
        snprintf(metric, sizeof metric, "resident/%d", count);
        print(metric, (resident() - before) / count);
    }
    while (opened > 0) {
        ipm_segment_destroy(open[--opened], NULL);
        ipm_segment_close(open[opened], NULL);
    }
}
