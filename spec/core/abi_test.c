/*
 * Compares the layouts of random structs with those of the C compiler ($CC, or cc). SEED=n repeats
 * a run.
 */
#include "../../src/ipmmap.h"
#include "tap.h"

#include <inttypes.h>
#include <limits.h>
#include <time.h>
#include <unistd.h>

enum { STRUCTS = 300, MAX_FIELDS = 8, MAX_DIMENSIONS = 3, DEEPEST = 12, LARGEST = 1 << 16 };

static const struct {
    const char *ours, *in_c;
} scalars[] = {
    {"bool", "bool"},       {"int8", "int8_t"},   {"uint8", "uint8_t"},   {"int16", "int16_t"},
    {"uint16", "uint16_t"}, {"int32", "int32_t"}, {"uint32", "uint32_t"}, {"int64", "int64_t"},
    {"uint64", "uint64_t"}, {"float", "float"},   {"double", "double"},   {"char", "char"},
};

enum { SCALARS = sizeof scalars / sizeof *scalars };

/* The generated structs are named S<i>, and their fields f<i>_<j>, so that a child's fields have
 * other names than its parent's. */
static struct {
    int parent; /* the parent's index, or -1 */
    int fields;
    int depth;
    long bound; /* an upper bound of the size in bytes */
} structs[STRUCTS];

static uint64_t state;

/* splitmix64 (Steele, Lea and Flood 2014), so that a seed means the same everywhere. */
static int random_below(int limit) {
    uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return (int)((z ^ z >> 31) % (uint64_t)limit);
}

/* The index of an earlier struct that is neither too deep nor too large, or -1. */
static int choose_struct(int i) {
    for (int attempt = 0; i > 0 && attempt < 10; attempt++) {
        int other = random_below(i);
        if (structs[other].depth < DEEPEST && structs[other].bound < LARGEST)
            return other;
    }
    return -1;
}

static void contain(int i, int other, long count) {
    if (structs[i].depth <= structs[other].depth)
        structs[i].depth = structs[other].depth + 1;
    structs[i].bound += count * structs[other].bound;
}

static void generate_field(int i, int j, FILE *schema, FILE *c) {
    int nested = random_below(3) == 0 ? choose_struct(i) : -1;
    int scalar = random_below(SCALARS);
    char dimensions[64] = "", *end = dimensions;
    long count = 1;
    for (int d = random_below(3) == 0 ? 1 + random_below(MAX_DIMENSIONS) : 0; d > 0; d--) {
        int n = 1 + random_below(5);
        end += sprintf(end, "[%d]", n);
        count *= n;
    }
    if (nested >= 0) {
        fprintf(schema, "  f%d_%d: S%d%s\n", i, j, nested, dimensions);
        fprintf(c, "    struct S%d f%d_%d%s;\n", nested, i, j, dimensions);
        contain(i, nested, count);
    } else {
        fprintf(schema, "  f%d_%d: %s%s\n", i, j, scalars[scalar].ours, dimensions);
        fprintf(c, "    %s f%d_%d%s;\n", scalars[scalar].in_c, i, j, dimensions);
        structs[i].bound += 8 * count;
    }
}

static void generate_struct(int i, FILE *schema, FILE *c) {
    structs[i].parent = random_below(4) == 0 ? choose_struct(i) : -1;
    structs[i].fields = random_below(MAX_FIELDS) + (structs[i].parent < 0);
    structs[i].depth = 1;
    structs[i].bound = 8;
    fprintf(schema, "struct S%d", i);
    fprintf(c, "struct S%d {\n", i);
    if (structs[i].parent >= 0) {
        fprintf(schema, " : S%d", structs[i].parent);
        fprintf(c, "    struct S%d parent;\n", structs[i].parent);
        contain(i, structs[i].parent, 1);
    }
    fprintf(schema, " {\n");
    for (int j = 0; j < structs[i].fields; j++)
        generate_field(i, j, schema, c);
    fprintf(schema, "}\n");
    fprintf(c, "};\n");
}

/* Each struct's size, alignment and fields, the inherited ones too, as "S1 24 8", "f1_0 16". */
static void print_from_c(FILE *c) {
    fprintf(c, "int main(void) {\n");
    for (int i = 0; i < STRUCTS; i++) {
        char prefix[DEEPEST * sizeof "parent." + 1] = "";
        fprintf(c, "    printf(\"S%d %%zu %%zu\\n\", sizeof(struct S%d), _Alignof(struct S%d));\n",
                i, i, i);
        for (int owner = i; owner >= 0; owner = structs[owner].parent) {
            for (int j = 0; j < structs[owner].fields; j++)
                fprintf(c, "    printf(\"f%d_%d %%zu\\n\", offsetof(struct S%d, %sf%d_%d));\n",
                        owner, j, i, prefix, owner, j);
            strcat(prefix, "parent.");
        }
    }
    fprintf(c, "}\n");
}

static void print_ours(const ipm_type *all, FILE *out) {
    for (int i = 0; i < STRUCTS; i++) {
        const ipm_type *type = all->fields[i].type;
        fprintf(out, "%s %" PRIu64 " %" PRIu32 "\n", type->name, type->size, type->align);
        for (const ipm_type *owner = type; owner != NULL; owner = owner->parent)
            for (uint64_t j = owner->parent ? owner->parent->count : 0; j < owner->count; j++)
                fprintf(out, "%s %" PRIu64 "\n", type->fields[j].name, type->fields[j].offset);
    }
}

static char *read_all(FILE *in) {
    size_t length;
    char *text = NULL;
    FILE *out = open_memstream(&text, &length);
    for (int byte; (byte = getc(in)) != EOF;)
        putc(byte, out);
    fclose(out);
    return text;
}

/* Compile and run the program. Returns its output, which the caller frees. */
static char *compile_and_run(const char *source) {
    char directory[] = "/tmp/ipmmap-abi-XXXXXX", path[PATH_MAX], command[3 * PATH_MAX];
    const char *compiler = getenv("CC");
    if (!CHECK(mkdtemp(directory) != NULL))
        return NULL;
    snprintf(path, sizeof path, "%s/abi.c", directory);
    FILE *file = fopen(path, "w");
    fputs(source, file);
    fclose(file);
    snprintf(command, sizeof command, "%s -std=c11 -o %s/abi %s && %s/abi",
             compiler == NULL ? "cc" : compiler, directory, path, directory);
    FILE *pipe = popen(command, "r");
    char *output = read_all(pipe);
    CHECK_INT(pclose(pipe), 0);
    unlink(path);
    snprintf(path, sizeof path, "%s/abi", directory);
    unlink(path);
    rmdir(directory);
    return output;
}

static void agrees_with_the_compiler(void) {
    char *schema_text = NULL, *c_text = NULL, *our_text = NULL;
    size_t schema_length, c_length, our_length;
    FILE *schema = open_memstream(&schema_text, &schema_length);
    FILE *c = open_memstream(&c_text, &c_length);
    const char *seed = getenv("SEED");
    state = seed == NULL ? (uint64_t)time(NULL) : strtoull(seed, NULL, 10);
    printf("# SEED=%" PRIu64 "\n", state);

    fprintf(c, "#include <stdbool.h>\n#include <stddef.h>\n#include <stdint.h>\n"
               "#include <stdio.h>\n");
    for (int i = 0; i < STRUCTS; i++)
        generate_struct(i, schema, c);
    fprintf(schema, "struct All {\n");
    for (int i = 0; i < STRUCTS; i++)
        fprintf(schema, "  s%d: S%d\n", i, i);
    fprintf(schema, "}\n");
    print_from_c(c);
    fclose(schema);
    fclose(c);

    ipm_layout *layout;
    ipm_error error;
    if (CHECK_INT(ipm_layout_parse(schema_text, schema_length, &layout, &error), IPM_OK)) {
        FILE *ours = open_memstream(&our_text, &our_length);
        print_ours(ipm_layout_type(layout), ours);
        fclose(ours);
        char *theirs = compile_and_run(c_text);
        CHECK(our_length > (size_t)STRUCTS * 20);
        CHECK_STR(our_text, theirs);
        free(theirs);
        free(our_text);
        ipm_layout_free(layout);
    } else {
        printf("# %s\n", error.text);
    }
    free(schema_text);
    free(c_text);
}

int main(void) {
    run("computes the same sizes and offsets as the C compiler", agrees_with_the_compiler);
    return done();
}
