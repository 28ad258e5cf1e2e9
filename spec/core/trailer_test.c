/* What is checked of a data file's head and footer before anything else in the file is used. */
#include "../../src/core/page.h"
#include "../../src/core/trailer.h"
#include "tap.h"

static ipm_trailer_head head;
static ipm_footer footer;

static void make(uint64_t struct_size, uint64_t schema_size, uint32_t max_readers) {
    ipm_geometry geometry = ipm_trailer_geometry(struct_size, schema_size);
    memset(&head, 0x55, sizeof head);
    memset(&footer, 0x55, sizeof footer);
    ipm_trailer_describe(&head, &footer, &geometry, max_readers);
}

static bool is_valid(void) {
    return ipm_trailer_is_valid(&head, head.geometry.head, head.geometry.file_size);
}

static bool is_located(void) {
    return ipm_trailer_locate(&footer, head.geometry.file_size) == head.geometry.head;
}

static void takes_what_it_makes(void) {
    static const uint64_t sizes[] = {IPM_HEADER_SIZE, 4096, 4097, 1 << 20, IPM_MAX_SIZE};
    static const uint64_t texts[] = {1, 4096, IPM_MAX_TEXT};
    static const uint32_t readers[] = {1, 2, IPM_MAX_READERS};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            for (size_t n = 0; n < sizeof readers / sizeof *readers; n++) {
                make(sizes[i], texts[k], readers[n]);
                CHECK(is_valid() && is_located());
            }
}

/* The geometry agrees with the sizes, which are out of range. */
static void refuses_sizes_out_of_range(void) {
    make(IPM_HEADER_SIZE - 1, 100, 4);
    CHECK(!is_valid());
    make(IPM_MAX_SIZE + 1, 100, 4);
    CHECK(!is_valid());
    make(4096, 0, 4);
    CHECK(!is_valid());
    make(4096, IPM_MAX_TEXT + 1, 4);
    CHECK(!is_valid());
    make(4096, 100, 0);
    CHECK(!is_valid());
    make(4096, 100, IPM_MAX_READERS + 1);
    CHECK(!is_valid());
}

static void refuses_another_size_of_the_file(void) {
    make(4096, 100, 4);
    CHECK(!ipm_trailer_is_valid(&head, head.geometry.head, head.geometry.file_size + IPM_PAGE));
    CHECK(!ipm_trailer_is_valid(&head, head.geometry.head, head.geometry.file_size - IPM_PAGE));
    CHECK(!ipm_trailer_is_valid(&head, head.geometry.head + IPM_PAGE, head.geometry.file_size));
}

/* The words that transactions change follow the others. With any other size of the text, this one
 * would not end on the same page. */
static void refuses_a_head_with_any_byte_changed(void) {
    for (size_t i = 0; i < offsetof(ipm_trailer_head, state); i++) {
        make(4096, 0xf7f, 4);
        uint64_t at = head.geometry.head, size = head.geometry.file_size;
        ((unsigned char *)&head)[i] ^= 0x80;
        CHECK(!ipm_trailer_is_valid(&head, at, size));
    }
}

static void refuses_a_forged_sequence(void) {
    make(4096, 100, 4);
    head.state.sequence = UINT64_C(1) << 63;
    CHECK(!is_valid());
    head.state.sequence = (UINT64_C(1) << 63) - 1;
    CHECK(is_valid());
}

static void refuses_a_footer_with_any_byte_changed(void) {
    for (size_t i = 0; i < sizeof footer; i++) {
        make(4096, 100, 4);
        ((unsigned char *)&footer)[i] ^= 0x80;
        CHECK_INT(ipm_trailer_locate(&footer, head.geometry.file_size), 0);
    }
}

/* The head takes a page of its own. */
static void locates_a_head_in_the_file_alone(void) {
    make(4096, 100, 4);
    footer.head = 5 * IPM_PAGE;
    CHECK_INT(ipm_trailer_locate(&footer, 6 * IPM_PAGE), 5 * IPM_PAGE);
    CHECK_INT(ipm_trailer_locate(&footer, 5 * IPM_PAGE), 0);
    footer.head = 0;
    CHECK_INT(ipm_trailer_locate(&footer, 6 * IPM_PAGE), 0);
}

static void knows_the_format(void) {
    make(4096, 100, 4);
    CHECK_INT(ipm_trailer_format(&footer), IPM_FORMAT);
    footer.format = IPM_FORMAT + 1;
    CHECK_INT(ipm_trailer_format(&footer), IPM_FORMAT + 1);
    CHECK(!is_located());
    footer.byte_order = 0x04030201;
    CHECK_INT(ipm_trailer_format(&footer), 0);
}

/* The retired flag has the same place in all formats, so the start of a head is enough for it. */
static void knows_the_start_of_a_damaged_head(void) {
    make(4096, 100, 4);
    head.format = 77;
    head.geometry.shadow = 0;
    CHECK(ipm_trailer_begins(&head, 4096));
    CHECK(!ipm_trailer_begins(&head, 8192));
    head.byte_order = 0;
    CHECK(!ipm_trailer_begins(&head, 4096));
}

int main(void) {
    run("a head and a footer as they are made are valid", takes_what_it_makes);
    run("sizes out of range are refused", refuses_sizes_out_of_range);
    run("a file of another size is refused", refuses_another_size_of_the_file);
    run("a head with any byte changed is refused", refuses_a_head_with_any_byte_changed);
    run("a sequence that no file reaches is refused", refuses_a_forged_sequence);
    run("a footer with any byte changed is refused", refuses_a_footer_with_any_byte_changed);
    run("a head outside the file is refused", locates_a_head_in_the_file_alone);
    run("a footer of another format says which one", knows_the_format);
    run("a damaged head is known by its start", knows_the_start_of_a_damaged_head);
    return done();
}
