/*
 * The times to open and close, to change one field, to take a snapshot, and to roll back a dead
 * writer's change of one field, for structs of 16 bytes to 256 MiB.
 */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEATHS 5

typedef struct sized {
    uint64_t size;
    ipm_layout *layout;
    ipm_segment *segment;
    void *into;
} sized;

static void open_and_close(void *with, uint64_t count) {
    const sized *s = with;
    ipm_options options = {.tag = "sizes", .mmap_dir = place("segments")};
    ipm_error error;
    ipm_segment *reader;
    for (uint64_t i = 0; i < count; i++) {
        check(ipm_segment_open(IPM_READER, s->layout, &options, &reader, &error), &error);
        ipm_segment_close(reader, NULL);
    }
}

/* Change the last 8 bytes. In the smallest struct they are in the header, which touch sets. */
static void update(void *with, uint64_t count) {
    const sized *s = with;
    for (uint64_t i = 0; i < count; i++) {
        ipm_segment_lock(s->segment, IPM_FOREVER, NULL);
        ipm_store_u64(ipm_segment_change(s->segment, s->size - 8, 8), i);
        ipm_segment_unlock(s->segment, NULL);
    }
}

static void snapshot(void *with, uint64_t count) {
    const sized *s = with;
    for (uint64_t i = 0; i < count; i++)
        ipm_segment_snapshot(s->segment, s->into, NULL, NULL);
}

static void die_inside(const char *schema, uint64_t size) {
    pid_t child = fork();
    if (child == 0) {
        ipm_segment *editor = open_segment(IPM_EDITOR, schema, "sizes");
        ipm_segment_lock(editor, IPM_FOREVER, NULL);
        ipm_store_u64(ipm_segment_change(editor, size - 8, 8), 1);
        _exit(0);
    }
    waitpid(child, NULL, 0);
}

static double recovery(const sized *s, const char *schema) {
    double best = 0;
    for (int i = 0; i < DEATHS; i++) {
        die_inside(schema, s->size);
        double before = now_ns();
        ipm_segment_lock(s->segment, IPM_FOREVER, NULL);
        double took = now_ns() - before;
        ipm_segment_unlock(s->segment, NULL);
        if (i == 0 || took < best)
            best = took;
    }
    return best;
}

static void print_sized(const char *what, uint64_t size, double value) {
    char metric[64];
    snprintf(metric, sizeof metric, "sizes.%s/%" PRIu64, what, size);
    print(metric, value);
}

int main(void) {
    for (uint64_t size = 16; size <= 256 << 20; size *= 16) {
        char schema[512];
        ipm_error error;
        sized s = {.size = size, .into = malloc(size)};
        strcpy(schema, sized_schema(size));
        check(ipm_layout_parse(schema, strlen(schema), &s.layout, &error), &error);
        s.segment = open_segment(IPM_MANAGER, schema, "sizes");
        memset(s.into, 0, size);
        print_sized("open", size, measure(open_and_close, &s));
        print_sized("write", size, measure(update, &s));
        print_sized("snapshot", size, measure(snapshot, &s));
        print_sized("recovery", size, recovery(&s, schema));
        ipm_segment_destroy(s.segment, NULL);
        ipm_segment_close(s.segment, NULL);
        free(s.into);
    }
}
