/* Writing by offset: as a transaction of its own or as part of one. The header is not changed. */
#include "../../src/core/word.h"
#include "../../src/ipmmap.h"
#include "tap.h"

#include <pthread.h>
#include <sched.h>
#include <unistd.h>

typedef struct Pair {
    ipm_header header;
    int64_t a, b;
} Pair;
#define PAIR(FIELD) FIELD(a, int64) FIELD(b, int64)
IPM_SHARED(Pair, PAIR, "")

static char dir[] = "/tmp/ipmmap-write-XXXXXX";
static ipm_layout *layout;

static ipm_segment *open_as(ipm_role role) {
    ipm_options options = {.mmap_dir = dir, .create = role == IPM_MANAGER};
    ipm_segment *segment = NULL;
    ipm_error error;
    if (ipm_segment_open(role, layout, &options, &segment, &error) != IPM_OK) {
        printf("Bail out! %s\n", error.text);
        exit(EXIT_FAILURE);
    }
    return segment;
}

static Pair snapshot(ipm_segment *segment) {
    Pair pair;
    CHECK_INT(ipm_segment_snapshot(segment, &pair, NULL, NULL), IPM_OK);
    return pair;
}

static void destroy(ipm_segment *segment) {
    ipm_segment_destroy(segment, NULL);
    ipm_segment_close(segment, NULL);
}

static void alone_is_a_transaction(void) {
    ipm_segment *segment = open_as(IPM_MANAGER);
    const int64_t values[2] = {1, 2};
    uint64_t before = 0, after = 0;
    ipm_segment_version(segment, &before, NULL);
    CHECK_INT(ipm_segment_write(segment, offsetof(Pair, a), sizeof values, values, NULL), IPM_OK);
    ipm_segment_version(segment, &after, NULL);
    CHECK_INT(after, before + 1);
    CHECK_INT(snapshot(segment).b, 2);
    CHECK(!ipm_segment_is_locked(segment));
    destroy(segment);
}

static void in_a_lock_is_part_of_its_transaction(void) {
    ipm_segment *segment = open_as(IPM_MANAGER);
    const int64_t value = 7;
    CHECK_INT(ipm_segment_lock(segment, 0, NULL), IPM_OK);
    CHECK_INT(ipm_segment_write(segment, IPM_AT(Pair, a), &value, NULL), IPM_OK);
    CHECK(ipm_segment_is_locked(segment));
    CHECK_INT(snapshot(segment).a, 0);
    CHECK_INT(ipm_segment_rollback(segment, NULL), IPM_OK);
    CHECK_INT(snapshot(segment).a, 0);
    destroy(segment);
}

static void of_the_whole_struct_leaves_the_header(void) {
    ipm_segment *segment = open_as(IPM_MANAGER);
    Pair before = snapshot(segment);
    const Pair pair = {.header = {.header_code = 1, .time_stamp = 2}, .a = 3, .b = 4};
    CHECK_INT(ipm_segment_write(segment, 0, sizeof pair, &pair, NULL), IPM_OK);
    Pair after = snapshot(segment);
    CHECK_INT(after.header.header_code, IPM_HEADER_CODE);
    CHECK(after.header.time_stamp == before.header.time_stamp);
    CHECK_INT(after.a, 3);
    CHECK_INT(after.b, 4);
    CHECK_INT(ipm_segment_write(segment, IPM_AT(Pair, header), &pair, NULL), IPM_OK);
    CHECK_INT(snapshot(segment).header.header_code, IPM_HEADER_CODE);
    destroy(segment);
}

static void refuses_what_it_cannot_write(void) {
    ipm_segment *manager = open_as(IPM_MANAGER), *reader = open_as(IPM_READER);
    const Pair pair = {.a = 1};
    ipm_error error;
    CHECK_INT(ipm_segment_write(reader, IPM_AT(Pair, a), &pair.a, &error), IPM_EINVALID);
    CHECK_STR(error.text, "Pair: a reader cannot write");
    CHECK_INT(ipm_segment_write(manager, 8, sizeof pair, &pair, &error), IPM_EINVALID);
    CHECK_STR(error.text, "Pair: 32 bytes at 8 are outside its 32");
    CHECK(!ipm_segment_is_locked(manager));
    CHECK_INT(snapshot(manager).a, 0);
    ipm_segment_close(reader, NULL);
    destroy(manager);
}

static void *destroy_once_written(void *segment) {
    uint64_t now;
    CHECK_INT(ipm_segment_wait(segment, 0, IPM_FOREVER, &now, NULL), IPM_OK);
    destroy(segment);
    return NULL;
}

/* On one processor, the destroyer may run as soon as the writer wakes it. */
static void succeeds_though_the_segment_is_destroyed_in_answer(void) {
    cpu_set_t all, one;
    CHECK_INT(sched_getaffinity(0, sizeof all, &all), 0);
    CPU_ZERO(&one);
    CPU_SET((size_t)sched_getcpu(), &one);
    CHECK_INT(sched_setaffinity(0, sizeof one, &one), 0);
    for (int i = 0; i < 20; i++) {
        const int64_t value = 1;
        pthread_t thread;
        ipm_segment *segment = open_as(IPM_MANAGER);
        CHECK_INT(pthread_create(&thread, NULL, destroy_once_written, open_as(IPM_MANAGER)), 0);
        sched_yield();
        CHECK_INT(ipm_segment_write(segment, IPM_AT(Pair, a), &value, NULL), IPM_OK);
        pthread_join(thread, NULL);
        ipm_segment_close(segment, NULL);
    }
    sched_setaffinity(0, sizeof all, &all);
}

/* UBSan would see a load that needs an alignment. */
static void words_may_be_at_any_address(void) {
    unsigned char bytes[32];
    for (size_t at = 0; at < 16; at++) {
        memset(bytes, 0xee, sizeof bytes);
        ipm_store_u64(bytes + at, UINT64_C(0x0102030405060708));
        CHECK_INT(ipm_load_u64(bytes + at), UINT64_C(0x0102030405060708));
        ipm_store_u32(bytes + at, 0x0a0b0c0d);
        CHECK_INT(ipm_load_u32(bytes + at), 0x0a0b0c0d);
        ipm_store_u16(bytes + at, 0x0e0f);
        CHECK_INT(ipm_load_u16(bytes + at), 0x0e0f);
        CHECK_INT(bytes[at + 8], 0xee);
        CHECK(at == 0 || bytes[at - 1] == 0xee);
    }
}

int main(void) {
    if (mkdtemp(dir) == NULL ||
        ipm_layout_parse(Pair_schema, sizeof Pair_schema - 1, &layout, NULL) != IPM_OK)
        return EXIT_FAILURE;
    run("a write outside the lock is a transaction", alone_is_a_transaction);
    run("a write in the lock is part of its transaction", in_a_lock_is_part_of_its_transaction);
    run("a write of the whole struct does not change the header",
        of_the_whole_struct_leaves_the_header);
    run("a write by a reader or outside the struct is refused", refuses_what_it_cannot_write);
    run("a write succeeds even if the segment is destroyed in response to its commit",
        succeeds_though_the_segment_is_destroyed_in_answer);
    run("words may be at any address", words_may_be_at_any_address);
    ipm_layout_free(layout);
    rmdir(dir);
    return done();
}
