/* Programs that were compiled with another version of the header than the library's. */
#include "fixture.h"

#include <stddef.h>

static ipm_segment *segment;

static void knows_its_version(void) {
    CHECK_STR(ipm_version(), IPM_VERSION);
}

static int try_options(const void *options) {
    memset(&error, 0, sizeof error);
    return ipm_segment_open(IPM_MANAGER, demo, options, &segment, &error);
}

static void destroy(void) {
    CHECK_INT(ipm_segment_destroy(segment, &error), IPM_OK);
    ipm_segment_close(segment, NULL);
}

/* The bytes after an older program's options do not belong to them. Here they are a mode that would
 * be refused. */
static void takes_the_options_of_an_older_program(void) {
    ipm_options options = {.mmap_dir = dir, .create = true, .mode = 07777, .max_readers = 999};
    options.own_size = offsetof(ipm_options, mode);
    if (CHECK_INT(try_options(&options), IPM_OK))
        destroy();
    options.own_size = sizeof options;
    CHECK_INT(try_options(&options), IPM_EINVALID);
    options.own_size = 0; /* the first version has this member too */
    CHECK_INT(try_options(&options), IPM_EINVALID);
}

static void takes_the_options_of_a_newer_program(void) {
    struct {
        ipm_options options;
        uint64_t later[3];
    } newer = {.options = {.own_size = sizeof newer, .mmap_dir = dir, .create = true}};
    if (CHECK_INT(try_options(&newer), IPM_OK))
        destroy();
    newer.later[2] = 1;
    CHECK_ERROR(try_options(&newer), IPM_EINVALID, "Demo: the options have a member that");
}

static void refuses_a_size_that_no_options_have(void) {
    ipm_options options = {.mmap_dir = dir, .create = true};
    static const size_t sizes[] = {1, sizeof(size_t) - 1, 4097, SIZE_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        options.own_size = sizes[i];
        CHECK_ERROR(try_options(&options), IPM_EINVALID, "is not that of an ipm_options");
    }
}

static void tells_an_older_program_what_it_knows(void) {
    ipm_info info;
    segment = opened(IPM_MANAGER, "");
    memset(&info, 0x55, sizeof info);
    info.own_size = offsetof(ipm_info, version);
    CHECK_INT(ipm_segment_info(segment, &info, &error), IPM_OK);
    CHECK_INT(info.size, DEMO_SIZE);
    CHECK_INT(info.own_size, offsetof(ipm_info, version));
    CHECK_INT(info.version, 0x5555555555555555);
    destroy();
}

static void tells_a_newer_program_how_much_it_filled_in(void) {
    struct {
        ipm_info info;
        uint64_t later;
    } newer = {.info = {.own_size = sizeof newer}, .later = 7};
    segment = opened(IPM_MANAGER, "");
    CHECK_INT(ipm_segment_info(segment, &newer.info, &error), IPM_OK);
    CHECK_INT(newer.info.own_size, sizeof(ipm_info));
    CHECK_INT(newer.info.size, DEMO_SIZE);
    CHECK_INT(newer.later, 7);
    newer.info.own_size = 3;
    CHECK_ERROR(ipm_segment_info(segment, &newer.info, &error), IPM_EINVALID, "own_size 3");
    destroy();
}

int main(void) {
    set_up();
    run("returns the version of the library", knows_its_version);
    run("accepts the options of an older program", takes_the_options_of_an_older_program);
    run("accepts the options of a newer program if it knows those that are set",
        takes_the_options_of_a_newer_program);
    run("refuses a size that no version of the options has", refuses_a_size_that_no_options_have);
    run("fills in only the fields that an older program knows",
        tells_an_older_program_what_it_knows);
    run("tells a newer program how many bytes it filled in",
        tells_a_newer_program_how_much_it_filled_in);
    return tear_down();
}
