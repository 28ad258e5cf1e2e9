/* Segments whose files were damaged while they are in use: what those who use them are told. */
#include "fixture.h"
#include "peer.h"

enum { PAGE = 4096, HEAD = PAGE, SCHEMA = 4 * PAGE, SIZE = 5 * PAGE };

static void overwrite(const char *path, off_t at, const void *bytes, size_t size) {
    int fd = open(path, O_WRONLY);
    CHECK_INT(pwrite(fd, bytes, size, at), size);
    close(fd);
}

static void zero_the_header_code(const char *path) {
    overwrite(path, 0, "\0\0", 2);
}

static void spoil_the_schema(const char *path) {
    overwrite(path, SCHEMA, "rubbish", 7);
}

static void spoil_the_footer(const char *path) {
    overwrite(path, SIZE - 64, "rubbish", 7);
}

static void spoil_the_head(const char *path) {
    overwrite(path, HEAD, "rubbish", 7);
}

static void cut_the_schema_off(const char *path) {
    CHECK_INT(truncate(path, SCHEMA), 0);
}

static void (*const damages[])(const char *) = {zero_the_header_code, spoil_the_schema,
                                                spoil_the_footer, spoil_the_head,
                                                cut_the_schema_off};
enum { DAMAGES = sizeof damages / sizeof *damages };

static void waits_and_writes(peer *test) {
    uint64_t now;
    ipm_segment *own = opened(IPM_EDITOR, "");
    tell(test, 'o');
    tell(test, ipm_segment_wait(own, 0, 20 * SECOND, &now, &error) == IPM_EREPLACED ? 'r' : 'x');
    tell(test, commit(own, 7) == IPM_EREPLACED ? 'r' : 'x');
    ipm_segment_close(own, NULL);
}

static ipm_segment *forced(const ipm_layout *layout) {
    ipm_segment *segment = NULL;
    ipm_options options = {.mmap_dir = dir, .create = true, .force = true};
    CHECK_INT(ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error), IPM_OK);
    return segment;
}

static void destroy(ipm_segment *manager) {
    CHECK_INT(ipm_segment_destroy(manager, &error), IPM_OK);
    CHECK_INT(ipm_segment_close(manager, NULL), IPM_OK);
}

static void tells_of_being_replaced(const ipm_layout *layout) {
    for (int i = 0; i < DAMAGES; i++) {
        ipm_segment_close(opened(IPM_MANAGER, ""), NULL);
        peer p = start(waits_and_writes);
        CHECK_INT(hear(&p), 'o');
        damages[i](data_path(""));
        ipm_segment *manager = forced(layout);
        CHECK_INT(hear(&p), 'r');
        CHECK_INT(hear(&p), 'r');
        CHECK_INT(finish(&p), 0);
        if (tap.bad)
            printf("#   damage number %d\n", i + 1);
        destroy(manager);
    }
}

static void tells_when_its_layout_takes_the_place(void) {
    tells_of_being_replaced(demo);
}

static void tells_when_another_layout_takes_the_place(void) {
    ipm_layout *other = layout_of(IPM_BASE_SCHEMA "struct Demo : BaseMmapStructure { a: int8 }");
    tells_of_being_replaced(other);
    ipm_layout_free(other);
}

int main(void) {
    set_up();
    run("tells those who use a damaged file that force has replaced it",
        tells_when_its_layout_takes_the_place);
    run("tells them too when the new file has another layout",
        tells_when_another_layout_takes_the_place);
    return tear_down();
}
