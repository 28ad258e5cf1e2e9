/*
 * Shared by the fuzz targets: real files as seeds, and a file to damage.
 *
 * An input is either a whole file, or a short list of changes to one of the real files. With
 * changes, most of the time goes into bytes that a check looks at, and not into padding.
 *
 *      0, bytes...                           the file
 *      1 + seed, { 2 bytes offset, 1 byte }  a real file with these bytes changed; with the offset
 *                                            0xFFFF the file is cut to that many 256ths
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "../../src/ipmmap.h"

#include <fcntl.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FUZZ_FILE_SIZE 32768
#define FUZZ_SEEDS 6

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

typedef struct fuzz_image {
    unsigned char bytes[FUZZ_FILE_SIZE];
    size_t size;
} fuzz_image;

static char fuzz_dir[64];

static inline void fuzz_die(const char *what) {
    perror(what);
    abort();
}

static inline void fuzz_remove_dir(void) {
    char command[96];
    snprintf(command, sizeof command, "rm -rf '%s'", fuzz_dir);
    if (system(command) != 0)
        perror(fuzz_dir);
}

static inline void fuzz_make_dir(void) {
    snprintf(fuzz_dir, sizeof fuzz_dir, "/dev/shm/ipmmap-fuzz-XXXXXX");
    if (mkdtemp(fuzz_dir) == NULL)
        fuzz_die(fuzz_dir);
    atexit(fuzz_remove_dir);
}

static inline ipm_layout *fuzz_layout(int seed) {
    static const char *const fields[FUZZ_SEEDS] = {
        "struct Demo : BaseMmapStructure { a: int64 }",
        "struct P { x: double }\nstruct Demo : BaseMmapStructure { t: char[40] p: P[3][2] }",
        "struct Demo : BaseMmapStructure { a: int8 c: char[4096] }",
        "struct Up : BaseMmapStructure { u: uint16 }\nstruct Demo : Up { d: float[9] }",
        "enum Mode : int8 { idle = 0 walk = -4 }\nflags Rights : uint32 { read = 1 write = 2 }\n"
        "struct Demo : BaseMmapStructure { v: float (default 0.8, min -1e9, max 1, unit \"dB\", "
        "doc \"a\\x01\\\"b\") m: Mode[3] (default [walk, 9]) r: Rights (default 3) "
        "g: uint16[4] (default 7, min 1) n: double (default nan) }",
        "struct P (pack 1) { a: bool (default true) x: double (default -0.25) }\n"
        "struct Demo : BaseMmapStructure { l: P[<=3] o: int32? (max 7) w: char16[4] (default "
        "\"\xc3\xa9\") d: char32[2][1] (default [\"a\"]) c: char[4] (default \"ab\") p: P? }",
    };
    char text[1024];
    ipm_layout *layout;
    snprintf(text, sizeof text, "%s%s", IPM_BASE_SCHEMA, fields[seed]);
    if (ipm_layout_parse(text, strlen(text), &layout, NULL) != IPM_OK)
        abort();
    return layout;
}

/* Create a real segment in fuzz_dir and commit once or twice. If `open`, it is left in a
 * transaction. feed  the size of its ring, or 0 */
static inline ipm_segment *fuzz_segment(const ipm_layout *layout, uint32_t readers, uint64_t feed,
                                        bool open) {
    ipm_segment *segment;
    ipm_error error;
    ipm_options options = {.own_size = sizeof options,
                           .mmap_dir = fuzz_dir,
                           .create = true,
                           .force = true,
                           .max_readers = readers,
                           .feed = feed};
    if (ipm_segment_open(IPM_MANAGER, layout, &options, &segment, &error) != IPM_OK ||
        ipm_segment_touch(segment, &error) != IPM_OK ||
        ipm_segment_lock(segment, 0, &error) != IPM_OK) {
        fprintf(stderr, "%s\n", error.text);
        abort();
    }
    memset(ipm_segment_change(segment, 16, 1), 5, 1);
    if (!open)
        ipm_segment_unlock(segment, &error);
    return segment;
}

static inline void fuzz_path(char *path, size_t size, const char *name) {
    snprintf(path, size, "%s/%s", fuzz_dir, name);
}

static inline void fuzz_load(const char *path, fuzz_image *image) {
    int fd = open(path, O_RDONLY);
    ssize_t got = read(fd, image->bytes, sizeof image->bytes);
    if (got <= 0)
        fuzz_die(path);
    close(fd);
    image->size = (size_t)got;
}

/* Make the image that the input describes. */
static inline void fuzz_apply(const fuzz_image *seeds, const uint8_t *input, size_t size,
                              fuzz_image *image) {
    image->size = 0;
    if (size == 0)
        return;
    if (input[0] % (FUZZ_SEEDS + 1) == 0) {
        image->size = size - 1 < FUZZ_FILE_SIZE ? size - 1 : FUZZ_FILE_SIZE;
        memcpy(image->bytes, input + 1, image->size);
        return;
    }
    *image = seeds[input[0] % (FUZZ_SEEDS + 1) - 1];
    for (size_t i = 1; i + 3 <= size; i += 3) {
        size_t offset = (size_t)(input[i] << 8 | input[i + 1]);
        if (offset == 0xFFFF)
            image->size = image->size * input[i + 2] / 256;
        else if (offset < image->size)
            image->bytes[offset] = input[i + 2];
    }
}

static inline void fuzz_store(int fd, const fuzz_image *image) {
    if (ftruncate(fd, (off_t)image->size) != 0 ||
        pwrite(fd, image->bytes, image->size, 0) != (ssize_t)image->size)
        fuzz_die("pwrite");
}

/* Write the real files as first inputs into the corpus directory: the last argument. */
static inline void fuzz_seed(int argc, char **argv, const fuzz_image *seeds) {
    for (int seed = 0; seed < FUZZ_SEEDS; seed++) {
        char path[4352];
        snprintf(path, sizeof path, "%s/seed-%d", argv[argc - 1], seed);
        FILE *file = fopen(path, "w");
        if (file == NULL)
            return; /* not a directory, but an input to run again */
        fputc(0, file);
        fwrite(seeds[seed].bytes, 1, seeds[seed].size, file);
        fclose(file);
        snprintf(path, sizeof path, "%s/short-%d", argv[argc - 1], seed);
        file = fopen(path, "w");
        if (file == NULL)
            return;
        fputc(1 + seed, file);
        fwrite("\x10\x80\x01", 1, 3, file);
        fclose(file);
    }
}

#endif
