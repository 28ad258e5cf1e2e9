/*
 * Snapshots of 64 KiB, 16 MiB and 256 MiB beside a writer that commits one int32 after another
 * without a pause, compared with snapshots at rest. Prints the median, the 99 % quantile and the
 * longest of 1,000 snapshots during which the writer committed (of 256 MiB: 100). An argument sets
 * that number for all sizes. The longest, at rest too, is as long as other work keeps the process
 * from its processor.
 */
#include "../../src/core/word.h"
#include "../measure.h"
#include "open.h"

#include <inttypes.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_COUNT 100000
#define PATIENCE_NS 10e9

typedef struct writer {
    pid_t pid;
    int go, ready;
} writer;

static void print_of(const char *what, const char *size, double value) {
    char metric[64];
    snprintf(metric, sizeof metric, "beside.%s_%s", what, size);
    print(metric, value);
}

static void write_without_rest(const char *schema, int go, int ready) {
    char byte;
    keep_apart(1);
    ipm_segment *editor = open_segment(IPM_EDITOR, schema, "beside");
    if (read(go, &byte, 1) != 1)
        _exit(1);
    for (uint32_t i = 0;; i++) {
        ipm_segment_lock(editor, IPM_FOREVER, NULL);
        ipm_store_u32(ipm_segment_change(editor, IPM_HEADER_SIZE, 4), i);
        ipm_segment_unlock(editor, NULL);
        if (i == 0 && write(ready, &byte, 1) != 1)
            _exit(1);
    }
}

static writer start_writer(const char *schema) {
    int go[2], ready[2];
    if (pipe(go) != 0 || pipe(ready) != 0)
        die("pipe");
    pid_t pid = fork();
    if (pid < 0)
        die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        write_without_rest(schema, go[0], ready[1]);
    }
    return (writer){.pid = pid, .go = go[1], .ready = ready[0]};
}

static void let_go(const writer *w) {
    char byte = 0;
    if (write(w->go, &byte, 1) != 1 || read(w->ready, &byte, 1) != 1)
        die("the writer");
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Take snapshots until `count` of them count. Beside a writer, only those count during which it
 * committed. */
static void take(ipm_segment *segment, void *into, int count, bool beside, const char *size) {
    static double took[MAX_COUNT];
    int n = 0;
    for (double end = now_ns() + PATIENCE_NS; n < count;) {
        uint64_t first, last;
        ipm_segment_version(segment, &first, NULL);
        double before = now_ns();
        ipm_segment_snapshot(segment, into, NULL, NULL);
        double now = now_ns();
        ipm_segment_version(segment, &last, NULL);
        if (!beside || last != first)
            took[n++] = now - before;
        if (n == 0 && now > end)
            die("a writer that never ran at the same time");
    }
    qsort(took, (size_t)n, sizeof *took, by_value);
    print_of(beside ? "median" : "rest", size, took[n / 2]);
    print_of(beside ? "most" : "rest_most", size, took[n * 99 / 100]);
    print_of(beside ? "worst" : "rest_worst", size, took[n - 1]);
}

static void compare(const char *name, uint64_t size, int count) {
    const char *schema = sized_schema(size);
    ipm_segment *segment = open_segment(IPM_MANAGER, schema, "beside");
    void *into = malloc(size);
    uint64_t first, last;
    memset(into, 1, size);
    writer w = start_writer(schema);
    keep_apart(0);
    take(segment, into, count, false, name);
    let_go(&w);
    ipm_segment_version(segment, &first, NULL);
    double before = now_ns();
    take(segment, into, count, true, name);
    double took = now_ns() - before;
    ipm_segment_version(segment, &last, NULL);
    print_of("commit", name, took / (double)(last - first));
    kill(w.pid, SIGKILL);
    waitpid(w.pid, NULL, 0);
    ipm_segment_destroy(segment, NULL);
    ipm_segment_close(segment, NULL);
    free(into);
}

/* The measurement runs in a process of its own, because it binds its process to a processor. */
static void compare_apart(const char *name, uint64_t size, int count) {
    int status;
    pid_t pid = fork();
    if (pid == 0) {
        compare(name, size, count);
        exit(0);
    }
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
        die("fork");
}

int main(int argc, char **argv) {
    int count = argc > 1 ? atoi(argv[1]) : 0;
    if (count > MAX_COUNT)
        count = MAX_COUNT;
    compare_apart("64k", 64 << 10, count > 0 ? count : 1000);
    compare_apart("16m", 16 << 20, count > 0 ? count : 1000);
    compare_apart("256m", 256 << 20, count > 0 ? count : 100);
}
