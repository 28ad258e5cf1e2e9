/* Fuzz target: open and use a data file with any content. */
#include "../../src/core/segment.h"
#include "fuzz.h"

static fuzz_image seeds[FUZZ_SEEDS], image;
static ipm_layout *demo;
static char path[96];
static int fd;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    fuzz_make_dir();
    fuzz_path(path, sizeof path, "Demo_.mmap");
    for (int seed = 0; seed < FUZZ_SEEDS; seed++) {
        ipm_layout *layout = fuzz_layout(seed);
        ipm_segment *segment = fuzz_segment(layout, 2, seed == 0 ? 4096 : 0, seed % 2 != 0);
        fuzz_load(path, &seeds[seed]);
        ipm_segment_destroy(segment, NULL);
        ipm_segment_close(segment, NULL);
        ipm_layout_free(layout);
    }
    fuzz_seed(*argc, *argv, seeds);
    demo = fuzz_layout(1);
    fd = open(path, O_CREAT | O_RDWR, 0600);
    return 0;
}

/* Follow what the file tells from a version on. A handle that needs no lock file is enough. */
static void follow(const ipm_datafile *file, uint64_t version) {
    ipm_segment segment = {.name = "Demo", .data = *file, .generation = ipm_fork_generation};
    ipm_feed *feed;
    ipm_error error;
    segment.names.path = path;
    if (ipm_feed_open(&segment, version, &feed, &error) != IPM_OK)
        return;
    for (int i = 0; i < 100 && ipm_feed_next(feed, 0, NULL, NULL, &error) == IPM_OK; i++)
        for (ipm_range range = {0, 0}; ipm_feed_changes(feed, &range);)
            ;
    ipm_feed_close(feed);
    for (ipm_range range = {0, 0};
         ipm_segment_changed(&segment, version, &range, &error) == IPM_OK && range.size != 0;)
        ;
}

/* Open the file with the layout that it describes, and use the memory in every way a handle can. */
static void use_as_described(void) {
    ipm_layout *layout;
    ipm_datafile file;
    ipm_transaction t;
    ipm_error error;
    if (ipm_layout_load(path, &layout, NULL) != IPM_OK)
        return;
    if (ipm_datafile_open(path, NULL, IPM_WRITE, layout, &file, &error) == IPM_OK) {
        unsigned char *copy = malloc(file.memory.size);
        uint64_t saved[1 + FUZZ_FILE_SIZE / IPM_BLOCK_SIZE];
        file.ring.saved = saved;
        uint64_t version = ipm_snapshot_version(&file.memory);
        follow(&file, IPM_LATEST);
        follow(&file, version - 1);
        follow(&file, 0);
        ipm_snapshot_take(&file.memory, 0, file.memory.size, copy);
        ipm_transaction_recover(&file.memory);
        ipm_transaction_open(&t, &file.memory);
        ipm_transaction_change(&t, 0, file.memory.size);
        memset(file.memory.data, 0xEE, file.memory.size);
        ipm_transaction_rollback(&t);
        ipm_transaction_change(&t, 0, file.memory.size);
        memset(file.memory.data, 0xDD, file.memory.size);
        ipm_transaction_commit(&t);
        follow(&file, version);
        free(copy);
        ipm_datafile_close(&file);
    }
    ipm_layout_free(layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    ipm_error error;
    ipm_datafile file;
    fuzz_apply(seeds, input, size, &image);
    fuzz_store(fd, &image);
    int code = ipm_datafile_open(path, NULL, IPM_READ, demo, &file, &error);
    if (code != IPM_OK && code != IPM_ECORRUPT && code != IPM_ELAYOUT && code != IPM_EREPLACED)
        abort();
    if (code == IPM_OK)
        ipm_datafile_close(&file);
    use_as_described();
    return 0;
}
