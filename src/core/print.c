#include "print.h"

#include "layout.h"
#include "number.h"
#include "utf.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Attributes -------------------------------------------------------------------------- */

static void print_bytes(FILE *out, const char *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c < ' ' || c == 0x7f)
            fprintf(out, "\\x%02X", (unsigned)c);
        else
            fprintf(out, c == '"' || c == '\\' ? "\\%c" : "%c", c);
    }
}

static void print_string(FILE *out, const char *string) {
    fputc('"', out);
    print_bytes(out, string, strlen(string));
    fputc('"', out);
}

/* A text ends at the first zero. */
static void print_text(FILE *out, const ipm_type *type, const char *bytes) {
    uint64_t unit = ipm_unit_size(type->kind), count = type->size / unit;
    fputc('"', out);
    for (uint64_t i = 0; i < count && memcmp(bytes + i * unit, "\0\0\0", unit) != 0;) {
        char utf8[4] = {bytes[i]};
        size_t length = 1;
        i += type->kind == IPM_CHAR
                 ? 1
                 : ipm_utf_decode(type->kind, bytes + i * unit, count - i, utf8, &length);
        print_bytes(out, utf8, length);
    }
    fputc('"', out);
}

static void print_number(FILE *out, const ipm_type *type, ipm_number number) {
    char text[IPM_NUMBER_TEXT];
    fputs(ipm_number_write(type->kind, number, text), out);
}

static void print_value(FILE *out, const ipm_type *type, const char *bytes) {
    if (ipm_kind_is_text(type->kind)) {
        print_text(out, type, bytes);
    } else if (type->kind == IPM_BOOL) {
        fputs(*bytes ? "true" : "false", out);
    } else {
        ipm_number number = ipm_number_load(type->kind, bytes);
        const ipm_constant *constant =
            type->names == NULL || type->names->is_flags ? NULL : ipm_constant_of(type, number);
        if (constant != NULL)
            fputs(constant->name, out);
        else
            print_number(out, type, number);
    }
}

static bool is_all_zero(const char *bytes, uint64_t size) {
    while (size > 0 && bytes[size - 1] == 0)
        size--;
    return size == 0;
}

/* Zeros at the end of a list are left out, all but its first value. */
static void print_default(FILE *out, const ipm_field *field) {
    const ipm_type *base = ipm_innermost(field->type);
    const char *bytes = field->initial;
    uint64_t count = field->initial_size / base->size;
    fputs("default ", out);
    if (count == 1) {
        print_value(out, base, bytes);
        return;
    }
    while (count > 1 && is_all_zero(bytes + (count - 1) * base->size, base->size))
        count--;
    for (uint64_t i = 0; i < count; i++) {
        fputs(i == 0 ? "[" : ", ", out);
        print_value(out, base, bytes + i * base->size);
    }
    fputc(']', out);
}

static void separate(FILE *out, const char **before, const char *word) {
    fprintf(out, "%s%s", *before, word);
    *before = ", ";
}

static void print_attributes(FILE *out, const ipm_field *field) {
    const ipm_type *base = ipm_innermost(field->type);
    const char *before = " (", *const none = before;
    if (field->initial != NULL) {
        separate(out, &before, "");
        print_default(out, field);
    }
    if (base->limits != NULL && base->limits->has_min) {
        separate(out, &before, "min ");
        print_number(out, base, base->limits->min);
    }
    if (base->limits != NULL && base->limits->has_max) {
        separate(out, &before, "max ");
        print_number(out, base, base->limits->max);
    }
    if (field->unit != NULL) {
        separate(out, &before, "unit ");
        print_string(out, field->unit);
    }
    if (field->doc != NULL) {
        separate(out, &before, "doc ");
        print_string(out, field->doc);
    }
    if (before != none)
        fputc(')', out);
}

/* ---- Types ------------------------------------------------------------------------------- */

static void print_enum(FILE *out, const ipm_type *type) {
    fprintf(out, "%s %s : %s {\n", type->names->is_flags ? "flags" : "enum", type->name,
            ipm_scalar_of(type->kind)->name);
    for (size_t i = 0; i < type->names->count; i++) {
        fprintf(out, "  %s = ", type->names->constants[i].name);
        print_number(out, type, type->names->constants[i].number);
        fputc('\n', out);
    }
    fputs("}\n", out);
}

static void print_named(FILE *out, const ipm_type *type, bool *printed);

/* Print the types that the struct uses, in the order of first use, and then the struct itself. */
static void print_struct(FILE *out, const ipm_type *type, bool *printed) {
    if (type->parent != NULL)
        print_named(out, type->parent, printed);
    for (uint64_t i = ipm_inherited(type); i < type->count; i++)
        print_named(out, ipm_innermost(type->fields[i].type), printed);
    fprintf(out, "struct %s", type->name);
    if (type->parent != NULL)
        fprintf(out, " : %s", type->parent->name);
    if (type->pack != 0)
        fprintf(out, " (pack %" PRIu32 ")", type->pack);
    fputs(" {\n", out);
    for (uint64_t i = ipm_inherited(type); i < type->count; i++) {
        fprintf(out, "  %s: %s", type->fields[i].name, type->fields[i].type->name);
        print_attributes(out, &type->fields[i]);
        fputc('\n', out);
    }
    fputs("}\n", out);
}

/* Print a struct or an enumeration, unless that was done. Other types have no text of their own. */
static void print_named(FILE *out, const ipm_type *type, bool *printed) {
    if ((type->kind != IPM_STRUCT && type->names == NULL) || printed[ipm_node_of(type)->index])
        return;
    printed[ipm_node_of(type)->index] = true;
    if (type->names != NULL)
        print_enum(out, type);
    else
        print_struct(out, type, printed);
}

char *ipm_print(const ipm_type *type, size_t *length) {
    char *text = NULL;
    bool *printed = calloc(ipm_node_of(type)->index + (size_t)1, sizeof *printed);
    FILE *out = printed == NULL ? NULL : open_memstream(&text, length);
    if (out != NULL) {
        print_named(out, type, printed);
        bool failed = ferror(out) != 0;
        if (fclose(out) != 0 || failed) {
            free(text);
            text = NULL;
        }
    }
    free(printed);
    return text;
}
