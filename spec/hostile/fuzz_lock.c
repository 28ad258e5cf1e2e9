/* Fuzz target: open a lock file with any content, while another process seems to use it. */
#include "../../src/core/lockfile.h"
#include "fuzz.h"

static fuzz_image seeds[FUZZ_SEEDS], image;
static ipm_layout *demo;
static int fd;

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    static const uint32_t readers[FUZZ_SEEDS] = {1, 2, 3, 60};
    ipm_segment *segment = NULL;
    char path[96];
    fuzz_make_dir();
    fuzz_path(path, sizeof path, "Demo_.lock");
    demo = fuzz_layout(0);
    for (int seed = 0; seed < FUZZ_SEEDS; seed++) {
        if (segment != NULL)
            ipm_segment_destroy(segment, NULL);
        ipm_segment_close(segment, NULL);
        segment = fuzz_segment(demo, readers[seed], 0, seed % 2 != 0);
        fuzz_load(path, &seeds[seed]);
    }
    ipm_segment_close(segment, NULL);
    fuzz_seed(*argc, *argv, seeds);
    fd = open(path, O_RDWR);
    struct flock user = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &user) != 0)
        fuzz_die("fcntl");
    return 0;
}

static void use(ipm_role role) {
    int64_t value;
    ipm_info info = {0};
    ipm_error error;
    ipm_segment *segment;
    ipm_options options = {.mmap_dir = fuzz_dir};
    int code = ipm_segment_open(role, demo, &options, &segment, &error);
    if (code != IPM_OK && (code != IPM_EINCOMPATIBLE || role == IPM_READER))
        abort();
    if (code == IPM_OK && ipm_segment_lock(segment, 0, &error) == IPM_OK) {
        if (ipm_segment_read(segment, 16, sizeof value, &value, &error) != IPM_OK)
            abort();
        ipm_segment_info(segment, &info, &error);
        ipm_segment_unlock(segment, &error);
    }
    ipm_segment_close(segment, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    fuzz_apply(seeds, input, size, &image);
    if (image.size < sizeof(ipm_lock_head))
        return 0;
    memcpy(image.bytes, "IPMLOCK\n", 8); /* each opening waits a second for a missing magic */
    fuzz_store(fd, &image);
    use(IPM_EDITOR);
    use(IPM_READER);
    return 0;
}
