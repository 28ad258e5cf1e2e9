/* Fuzz target: read any text as a schema, and as a type in a definition. */
#include "../../src/core/difference.h"
#include "../../src/core/schema.h"
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

static const ipm_type *find_type(void *context, const char *name) {
    const ipm_type *type = context;
    return type != NULL && strcmp(name, type->name) == 0 ? type : NULL;
}

/* Define a struct with a field whose type is the text. The text may name `known`, unless NULL. */
static void define(const char *text, size_t length, const ipm_type *known) {
    ipm_layout *layout;
    ipm_error error;
    ipm_declaration field = {.name = "field", .type = text, .length = length};
    ipm_definition definition = {
        .name = "Defined", .declarations = &field, .count = 1, .known = {find_type, (void *)known}};
    int code = ipm_layout_define(&definition, &layout, &error);
    if (code != IPM_OK && code != IPM_EINVALID)
        abort();
    if (code != IPM_OK)
        return;
    const ipm_type *type = ipm_layout_type(layout)->fields[0].type;
    if (type->kind == IPM_STRUCT && !ipm_type_equal(type, known))
        abort();
    ipm_layout_free(layout);
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size) {
    ipm_layout *layout, *again;
    ipm_error error;
    size_t length, length_again;
    const ipm_type *found;
    uint64_t offset;
    define((const char *)input, size, NULL);
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
        ipm_layout_difference(ipm_layout_type(layout), ipm_layout_type(again), IPM_EXACT, &error) !=
            IPM_OK)
        abort();
    const ipm_type *type = ipm_layout_type(layout);
    if (ipm_type_find(type, (const char *)input, size, &found, &offset, &error) == IPM_OK &&
        (found->size > type->size || offset > type->size - found->size))
        abort();
    define(type->name, strlen(type->name), type);
    ipm_layout_free(again);
    ipm_layout_free(layout);
    return 0;
}
