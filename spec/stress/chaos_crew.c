#include "chaos_crew.h"

#include "chaos.h"
#include "stress.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int reports[2];

void chaos_crew_open(void) {
    if (pipe2(reports, O_CLOEXEC) != 0 || fcntl(reports[0], F_SETFL, O_NONBLOCK) != 0)
        stress_die("cannot make a pipe");
}

void chaos_crew_work(char **command, unsigned number, unsigned long long seed) {
    char number_text[24], seed_text[24];
    char *argv[16];
    unsigned argc = 0;
    while (command[argc] != NULL && argc < 12) {
        argv[argc] = command[argc];
        argc++;
    }
    snprintf(number_text, sizeof number_text, "%u", number);
    snprintf(seed_text, sizeof seed_text, "%llu", seed);
    argv[argc++] = number_text;
    argv[argc++] = stress_dir;
    argv[argc++] = seed_text;
    argv[argc] = NULL;
    if (dup2(reports[1], STDOUT_FILENO) >= 0)
        execvp(argv[0], argv);
    _exit(EXIT_FAILURE);
}

static void add(const char *name, uint64_t count) {
    const struct {
        const char *name;
        _Atomic uint64_t *sum;
    } sums[] = {
        {"commits", &chaos_shared->commits},     {"locked_reads", &chaos_shared->locked_reads},
        {"snapshots", &chaos_shared->snapshots}, {"awaited", &chaos_shared->awaited},
        {"resets", &chaos_shared->resets},       {"destructions", &chaos_shared->destructions},
        {"torn", &chaos_shared->torn},           {"stuck", &chaos_shared->stuck},
        {"wrong", &chaos_shared->wrong},
    };
    if (strcmp(name, "longest_us") == 0) {
        if ((int64_t)count * 1000 > chaos_shared->longest_ns)
            chaos_shared->longest_ns = (int64_t)count * 1000;
        return;
    }
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (strcmp(name, sums[i].name) == 0) {
            *sums[i].sum += count;
            return;
        }
    stress_die("# a worker reports %s", name);
}

/* Count the recoveries of all segments. Recoveries between the last look at a segment and its end
 * are missed. */
static void count_recoveries(void) {
    static ipm_segment *watcher;
    static uint64_t counted; /* recoveries of this segment that are counted already */
    ipm_info info = {0};
    if (watcher != NULL && ipm_segment_info(watcher, &info, NULL) == IPM_OK) {
        chaos_shared->recoveries += info.recoveries - counted;
        counted = info.recoveries;
    }
    uint64_t version;
    if (watcher != NULL && ipm_segment_version(watcher, &version, NULL) == IPM_OK)
        return;
    ipm_segment_close(watcher, NULL);
    counted = 0;
    if (stress_open(IPM_READER, chaos_layouts[0], false, STRESS_KEEP, &watcher) != IPM_OK)
        watcher = NULL;
}

void chaos_crew_hear(bool counts_recoveries) {
    static char text[8192];
    static size_t length;
    ssize_t got;
    while ((got = read(reports[0], text + length, sizeof text - length - 1)) > 0) {
        length += (size_t)got;
        text[length] = '\0';
        char *line = text;
        for (char *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
            char name[32];
            unsigned long long count;
            *end = '\0';
            if (sscanf(line, "%31[a-z_]\t%llu", name, &count) != 2)
                stress_die("# a worker reports '%s'", line);
            add(name, count);
        }
        length -= (size_t)(line - text);
        memmove(text, line, length);
    }
    if (counts_recoveries)
        count_recoveries();
}
