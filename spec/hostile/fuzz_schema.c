/* Reading any text as a schema. */
#include "../../src/core/difference.h"
#include "fuzz.h"

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    for (int seed = 0; seed < FUZZ_SEEDS; seed++) {
        char path[4352];
        size_t length;
        ipm_layout *layout = fuzz_layout(seed);
        const char *text = ipm_layout_text(layout, &length);
        snprintf(path, sizeof path, "%s/seed-%d", (*argv)[*argc - 1], seed);
        FILE *file = fopen(path, "w");
        if (file != NULL) {
            fwrite(text, 1, length, file);
            fclose(file);
        }
        ipm_layout_free(layout);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    ipm_layout *layout, *again;
    ipm_error error;
    size_t length, length_again;
    const ipm_type *found;
    uint64_t offset;
    int code = ipm_layout_parse((const char *)input, size, &layout, &error);
    if (code != IPM_OK && code != IPM_EINVALID)
        abort();
    if (code != IPM_OK)
        return 0;
    const char *text = ipm_layout_text(layout, &length);
    if (ipm_layout_parse(text, length, &again, &error) != IPM_OK)
        abort();
    if (strcmp(ipm_layout_text(again, &length_again), text) != 0 || length_again != length ||
        !ipm_type_equal(ipm_layout_type(layout), ipm_layout_type(again)) ||
        ipm_layout_difference(ipm_layout_type(layout), ipm_layout_type(again), &error) != IPM_OK)
        abort();
    const ipm_type *type = ipm_layout_type(layout);
    if (ipm_type_find(type, (const char *)input, size, &found, &offset, &error) == IPM_OK &&
        (found->size > type->size || offset > type->size - found->size))
        abort();
    ipm_layout_free(again);
    ipm_layout_free(layout);
    return 0;
}
