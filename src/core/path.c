/*
 * Paths: "pts[3].x". An index of a list may be any up to its capacity: whether there is such an
 * element, the values tell. A name after an optional struct is a field of that struct.
 */
#include "path.h"

#include "error.h"
#include "excerpt.h"
#include "word.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

typedef struct walk {
    const ipm_type *root;
    const char *path, *next, *end;
    const ipm_type *type; /* what [path, reached) leads to */
    const char *reached;
    uint64_t offset;
    const unsigned char *bytes; /* the values; NULL: lists have all elements */
    ipm_error *error;
} walk;

static ipm_excerpt between(const char *from, const char *to) {
    return ipm_excerpt_of(from, (size_t)(to - from));
}

static ipm_excerpt name_of(const ipm_type *type) {
    return ipm_excerpt_of(type->name, strlen(type->name));
}

#define REFUSE(walk, format, ...)                                                                  \
    ipm_fail((walk)->error, IPM_EINVALID, 0, "%s: " format " in '%s'", name_of((walk)->root).text, \
             __VA_ARGS__, between((walk)->path, (walk)->end).text)

static int refuse_kind(const walk *w, const char *parts) {
    if (w->reached == w->path)
        return REFUSE(w, "it has no %s,", parts);
    return REFUSE(w, "'%s' is %s and has no %s,", between(w->path, w->reached).text,
                  name_of(w->type).text, parts);
}

/* Go from an optional value to what it holds. */
static int enter_optional(walk *w) {
    if (w->type->kind != IPM_OPTIONAL)
        return IPM_OK;
    if (w->bytes != NULL && ipm_load_u8(w->bytes + w->offset) == 0)
        return REFUSE(w, "'%s' is absent", between(w->path, w->reached).text);
    w->offset += w->type->inner;
    w->type = w->type->element;
    return IPM_OK;
}

/* The kind of part that the type, or the value of an optional type, is. */
static ipm_kind kind_of(const ipm_type *type) {
    return type->kind == IPM_OPTIONAL ? type->element->kind : type->kind;
}

/* The number of elements that there are. */
static int count_elements(const walk *w, uint64_t *count) {
    *count = w->type->count;
    if (w->type->kind != IPM_LIST || w->bytes == NULL)
        return IPM_OK;
    *count = ipm_load_u32(w->bytes + w->offset);
    if (*count <= w->type->count)
        return IPM_OK;
    return ipm_fail(w->error, IPM_ECORRUPT, 0,
                    "%s: '%s' is damaged: %" PRIu64 " elements are more than its %" PRIu64,
                    name_of(w->root).text, between(w->path, w->reached).text, *count,
                    w->type->count);
}

static int step_field(walk *w) {
    const char *start = w->next, *end = start;
    while (end < w->end && *end != '.' && *end != '[')
        end++;
    if (start == end && start == w->path)
        return REFUSE(w, "a field name is missing %s", "at the start");
    if (start == end)
        return REFUSE(w, "a field name is missing after '%s'", between(w->path, start).text);
    if (kind_of(w->type) != IPM_STRUCT)
        return refuse_kind(w, "fields");
    int code = enter_optional(w);
    if (code != IPM_OK)
        return code;
    const ipm_field *field = ipm_type_field(w->type, start, (size_t)(end - start));
    if (field == NULL)
        return REFUSE(w, "no field '%s'", between(start, end).text);
    w->offset += field->offset;
    w->type = field->type;
    w->reached = w->next = end;
    return IPM_OK;
}

/* returns  false: it is no whole number. An index that no array has becomes 0. */
static bool read_index(const char *from, const char *to, uint64_t *index) {
    bool negative = from < to && *from == '-';
    if (from + negative == to)
        return false;
    *index = 0;
    for (const char *c = from + negative; c < to; c++) {
        if (!isdigit((unsigned char)*c))
            return false;
        if (*index <= IPM_MAX_SIZE)
            *index = *index * 10 + (uint64_t)(*c - '0');
    }
    if (negative || *index > IPM_MAX_SIZE)
        *index = 0;
    return true;
}

static int step_index(walk *w) {
    const char *start = w->next + 1;
    const char *end = memchr(start, ']', (size_t)(w->end - start));
    uint64_t index;
    if (end == NULL)
        return REFUSE(w, "']' is missing after '%s'", between(w->path, w->end).text);
    if (!read_index(start, end, &index))
        return REFUSE(w, "index '%s' is not a whole number", between(start, end).text);
    if (kind_of(w->type) != IPM_ARRAY && kind_of(w->type) != IPM_LIST)
        return refuse_kind(w, "elements");
    uint64_t count;
    int code = enter_optional(w);
    if (code == IPM_OK)
        code = count_elements(w, &count);
    if (code != IPM_OK)
        return code;
    if (count == 0)
        return REFUSE(w, "'%s' is empty", between(w->path, w->reached).text);
    if (index < 1 || index > count)
        return REFUSE(w, "index %s is outside 1..%" PRIu64, between(start, end).text, count);
    w->offset += w->type->inner + (index - 1) * w->type->element->size;
    w->type = w->type->element;
    w->reached = w->next = end + 1;
    return IPM_OK;
}

static int step(walk *w) {
    if (*w->next == '[')
        return step_index(w);
    if (w->next == w->path)
        return step_field(w);
    if (*w->next != '.')
        return REFUSE(w, "'.' or '[' is missing before '%s'", between(w->next, w->end).text);
    w->next++;
    return step_field(w);
}

int ipm_type_find_in(const ipm_type *type, const unsigned char *bytes, const char *path,
                     size_t length, const ipm_type **found, uint64_t *offset, ipm_error *error) {
    if (length == 0)
        return ipm_fail(error, IPM_EINVALID, 0, "%s: the path is empty", name_of(type).text);
    walk w = {
        .root = type,
        .path = path,
        .next = path,
        .end = path + length,
        .type = type,
        .reached = path,
        .bytes = bytes,
        .error = error,
    };
    while (w.next < w.end) {
        int code = step(&w);
        if (code != IPM_OK)
            return code;
    }
    *found = w.type;
    *offset = w.offset;
    return IPM_OK;
}

int ipm_type_find(const ipm_type *type, const char *path, size_t length, const ipm_type **found,
                  uint64_t *offset, ipm_error *error) {
    return ipm_type_find_in(type, NULL, path, length, found, offset, error);
}
