/*
 * Repeats each operation of docs/budget.md between two marks. A mark is a dump of the counts for
 * callgrind, and a write to no file for strace. budget_spec.lua reads both.
 *
 * usage: budget DIRECTORY
 */
#include "../../src/ipmmap.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <valgrind/callgrind.h>

enum { TIMES = 1000 };

typedef struct Demo {
    ipm_header header;
    int32_t number;
    char text[256];
    double points[51];
} Demo; /* 688 bytes */
#define DEMO(FIELD) FIELD(number, int32) FIELD(text, char[256]) FIELD(points, double[51])
IPM_SHARED(Demo, DEMO, "")

static const char *directory;
static ipm_layout *layout;
static ipm_segment *editor, *reader;
static uint64_t version;
static Demo copy;

static void check(int code, const ipm_error *error) {
    if (code == IPM_OK)
        return;
    fprintf(stderr, "%s\n", error->text);
    exit(EXIT_FAILURE);
}

static const char *tag = "";
static uint64_t ring; /* of new segments */

static ipm_segment *open_as(ipm_role role) {
    ipm_options options = {.own_size = sizeof options, .mmap_dir = directory, .tag = tag};
    if (role == IPM_MANAGER) {
        options.create = true;
        options.feed = ring;
    }
    ipm_segment *segment;
    ipm_error error;
    check(ipm_segment_open(role, layout, &options, &segment, &error), &error);
    return segment;
}

/* ---- Operations -------------------------------------------------------------------------- */

static int lock_and_unlock(void) {
    int code = ipm_segment_lock(editor, 0, NULL);
    return code != IPM_OK ? code : ipm_segment_unlock(editor, NULL);
}

static int change_and_commit(void) {
    ipm_segment_lock(editor, 0, NULL);
    int32_t *number = ipm_segment_change(editor, IPM_AT(Demo, number));
    (*number)++;
    return ipm_segment_unlock(editor, NULL);
}

static int change_and_roll_back(void) {
    ipm_segment_lock(editor, 0, NULL);
    int32_t *number = ipm_segment_change(editor, IPM_AT(Demo, number));
    (*number)++;
    return ipm_segment_rollback(editor, NULL);
}

static int write_field(void) {
    return ipm_segment_write(editor, IPM_AT(Demo, number), &copy.number, NULL);
}

static int write_all(void) {
    return ipm_segment_write(editor, 0, sizeof copy, &copy, NULL);
}

static int read_lock_and_unlock(void) {
    int code = ipm_segment_lock(reader, 0, NULL);
    return code != IPM_OK ? code : ipm_segment_unlock(reader, NULL);
}

static int read_field(void) {
    int32_t number;
    return ipm_segment_read(reader, IPM_AT(Demo, number), &number, NULL);
}

static int snapshot(void) {
    return ipm_segment_snapshot(reader, &copy, NULL, NULL);
}

static int get_version(void) {
    return ipm_segment_version(reader, &version, NULL);
}

static int commit_what_is_waited_for(void) {
    int code = ipm_segment_wait(reader, version, 0, &version, NULL);
    if (code != IPM_ETIMEOUT && code != IPM_OK)
        return code;
    return change_and_commit();
}

static ipm_feed *feed;

static int commit_and_follow(void) {
    int code = change_and_commit();
    return code != IPM_OK ? code : ipm_feed_next(feed, 0, NULL, NULL, NULL);
}

static int fail_to_lock(void) {
    return ipm_segment_lock(editor, 0, NULL) == IPM_ETIMEOUT ? IPM_OK : IPM_ESYSTEM;
}

static int fail_to_read_lock(void) {
    return ipm_segment_lock(reader, 0, NULL) == IPM_ETIMEOUT ? IPM_OK : IPM_ESYSTEM;
}

/* ---- Measuring --------------------------------------------------------------------------- */

static void mark(const char *what) {
    CALLGRIND_DUMP_STATS_AT(what);
    if (write(-1, what, strlen(what)) >= 0)
        exit(EXIT_FAILURE);
}

static void measure(const char *name, int (*operation)(void)) {
    for (int i = 0; i < 3; i++) /* the first calls cost more */
        check(operation(), &(ipm_error){.text = "an operation failed"});
    mark("-");
    for (int i = 0; i < TIMES; i++)
        if (operation() != IPM_OK)
            exit(EXIT_FAILURE);
    mark(name);
}

static sem_t held, done;

static void *hold(void *unused) {
    (void)unused;
    ipm_segment *writer = open_as(IPM_EDITOR);
    ipm_error error;
    check(ipm_segment_lock(writer, IPM_FOREVER, &error), &error);
    memset(ipm_segment_change(writer, IPM_AT(Demo, text)), 'x', sizeof copy.text);
    sem_post(&held);
    sem_wait(&done);
    ipm_segment_close(writer, NULL);
    return NULL;
}

int main(int argc, char **argv) {
    ipm_error error;
    pthread_t holder;
    directory = argc == 2 ? argv[1] : ".";
    check(ipm_layout_parse(Demo_schema, sizeof Demo_schema - 1, &layout, &error), &error);
    editor = open_as(IPM_MANAGER);
    reader = open_as(IPM_READER);

    measure("lock and unlock, editor", lock_and_unlock);
    measure("lock, change one field, commit", change_and_commit);
    measure("lock, change one field, roll back", change_and_roll_back);
    measure("write one field", write_field);
    measure("write the whole struct", write_all);
    measure("lock and unlock, reader", read_lock_and_unlock);
    measure("read one field", read_field);
    measure("snapshot", snapshot);
    measure("version", get_version);
    measure("wait with timeout 0, then commit", commit_what_is_waited_for);

    sem_init(&held, 0, 0);
    sem_init(&done, 0, 0);
    pthread_create(&holder, NULL, hold, NULL);
    sem_wait(&held);
    measure("lock with timeout 0, in vain, editor", fail_to_lock);
    measure("lock with timeout 0, in vain, reader", fail_to_read_lock);
    measure("read one field beside a writer's half transaction", read_field);
    measure("snapshot beside a writer's half transaction", snapshot);
    sem_post(&done);
    pthread_join(holder, NULL);

    ipm_segment_close(reader, NULL);
    ipm_segment_destroy(editor, NULL);
    ipm_segment_close(editor, NULL);

    tag = "ring";
    ring = 16384;
    editor = open_as(IPM_MANAGER);
    reader = open_as(IPM_READER);
    measure("with a ring: lock, change one field, commit", change_and_commit);
    check(ipm_feed_open(reader, IPM_LATEST, &feed, &error), &error);
    measure("with a ring: the same, and a feed's next", commit_and_follow);
    ipm_feed_close(feed);
    ipm_segment_close(reader, NULL);
    ipm_segment_destroy(editor, NULL);
    ipm_segment_close(editor, NULL);
    ipm_layout_free(layout);
    return EXIT_SUCCESS;
}
