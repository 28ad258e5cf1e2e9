/***
@submodule ipmmap
*/
#include "error.h"
#include "follow.h"
#include "functions.h"
#include "own.h"
#include "scalar.h"

#include <lauxlib.h>
#include <string.h>

/* The bytes of a scalar that is no text. */
typedef union fold_word {
    uint64_t bits;
    float narrow;
    double wide;
} fold_word;

static bool is_real(const ipm_type *type) {
    return type->kind == IPM_FLOAT || type->kind == IPM_DOUBLE;
}

static double real_of(const ipm_type *type, fold_word value) {
    return type->kind == IPM_FLOAT ? (double)value.narrow : value.wide;
}

static void check_unreserved(lua_State *L, const lipm_place *place) {
    if (place->offset < place->memory->reserved)
        lipm_complain(L, place, "set only by creation, touch and clear");
}

static fold_word word_at(const unsigned char *at, const ipm_type *type) {
    fold_word value = {0};
    memcpy(&value, at, type->size);
    return value;
}

/* The value at `index`, as the field would hold it. Raises if it is no value of the field. */
static fold_word check_given(lua_State *L, int index, const lipm_place *place) {
    lipm_scalar scalar = {0};
    fold_word value = {0};
    if (!lipm_toscalar(L, index, place->type, &scalar))
        lipm_complain_scalar(L, index, place);
    lipm_storescalar(&value, place->type, &scalar);
    return value;
}

/* ---- max, min, bor, band ------------------------------------------------------------------- */

typedef enum fold { FOLD_MAX, FOLD_MIN, FOLD_BOR, FOLD_BAND } fold;

static const char *const fold_names[] = {"max", "min", "bor", "band"};

static void check_folded(lua_State *L, const lipm_place *place, fold how) {
    const ipm_type *type = place->type;
    bool is_bits = how >= FOLD_BOR;
    bool is_integer = type->kind < IPM_FLOAT && type->kind != IPM_BOOL &&
                      (type->names == NULL || (is_bits && type->names->is_flags));
    check_unreserved(L, place);
    if (!is_integer && (is_bits || !is_real(type))) {
        lipm_complain(L, place, "%s is not %s, which %s takes", type->name,
                      is_bits ? "an integer" : "a number", fold_names[how]);
    }
}

/* Whether a is greater than b. Never allocates. */
static bool is_above(lua_State *L, const ipm_type *type, fold_word a, fold_word b) {
    if (type->kind == IPM_UINT64)
        return a.bits > b.bits;
    lipm_pushscalar(L, type, &b);
    lipm_pushscalar(L, type, &a);
    bool result = lua_compare(L, -2, -1, LUA_OPLT);
    lua_pop(L, 2);
    return result;
}

/* NaN counts as no number: the other one is the result. */
static fold_word fold_words(lua_State *L, const ipm_type *type, fold how, fold_word old,
                            fold_word given) {
    if (how == FOLD_BOR)
        return (fold_word){.bits = old.bits | given.bits};
    if (how == FOLD_BAND)
        return (fold_word){.bits = old.bits & given.bits};
    bool is_nan = is_real(type) && real_of(type, old) != real_of(type, old);
    bool is_better =
        how == FOLD_MAX ? is_above(L, type, given, old) : is_above(L, type, old, given);
    return is_nan || is_better ? given : old;
}

/* Store what the fold gives, if the field takes it. *value: that. */
static bool store_fold(lua_State *L, const lipm_place *place, fold how, fold_word given,
                       fold_word *value) {
    const ipm_type *type = place->type;
    lipm_scalar scalar = {0};
    const unsigned char *base = ipm_segment_data(place->memory->segment);
    fold_word old = word_at(base + place->offset, type);
    *value = fold_words(L, type, how, old, given);
    if (value->bits == old.bits)
        return true;
    lipm_pushscalar(L, type, value);
    bool fits = lipm_toscalar(L, -1, type, &scalar);
    lua_pop(L, 1);
    if (fits)
        lipm_storescalar(lipm_change(place->memory, place->offset, type->size), type, &scalar);
    return fits;
}

static int fold_in(lua_State *L, fold how, lua_CFunction method) {
    lipm_handle *handle = lipm_pinwriter(L);
    bool has_begun;
    fold_word value = {0};
    ipm_error error;
    lua_settop(L, 3);
    const lipm_part *part = lipm_checkpart(L, handle);
    lipm_place place = lipm_placeof(handle, part);
    check_folded(L, &place, how);
    fold_word given = check_given(L, 3, &place);
    lipm_checkopen(L, handle);
    if (lipm_beginown(L, handle, place.memory, &has_begun, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, method);
    lipm_gap gap = lipm_findowngap(handle, part);
    bool fits = gap.guard == NULL && store_fold(L, &place, how, given, &value);
    if (lipm_finishown(handle, has_begun, fits, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, method);
    if (gap.guard != NULL)
        return lipm_complain_gap(L, place.memory, part, &gap);
    lipm_pushscalar(L, place.type, &value);
    return fits ? 1 : lipm_complain_scalar(L, lua_gettop(L), &place);
}

/***
Raise a number to at least `n`, as one transaction. If the number is that already, nothing is
changed, and there is no commit. Editors and managers.

NaN counts as no number: `n` replaces a field that is NaN, and an `n` that is NaN changes nothing. A
`uint64` is compared without a sign, so -1, which stands for its 64 bits, is the greatest.
@function Handle:max
@tparam string path the path of a number
@tparam number n a value that `write` takes
@treturn number the new value: the greater of the two
@raise as for `write`
*/
int lipm_handle_max(lua_State *L) {
    return fold_in(L, FOLD_MAX, lipm_handle_max);
}

/***
Lower a number to at most `n`, as one transaction. If the number is that already, nothing is
changed, and there is no commit. NaN and `uint64` are as for `max`. Editors and managers.
@function Handle:min
@tparam string path the path of a number
@tparam number n a value that `write` takes
@treturn number the new value: the smaller of the two
@raise as for `write`
*/
int lipm_handle_min(lua_State *L) {
    return fold_in(L, FOLD_MIN, lipm_handle_min);
}

/***
Set bits of an integer, as one transaction. If they are set already, nothing is changed, and there
is no commit. Editors and managers.
@function Handle:bor
@tparam string path the path of an integer
@tparam integer n the bits to set: a value that `write` takes
@treturn integer the new value
@raise an error if the field is not an integer; otherwise as for `write`
*/
int lipm_handle_bor(lua_State *L) {
    return fold_in(L, FOLD_BOR, lipm_handle_bor);
}

/***
Keep only some bits of an integer, as one transaction. If the others are clear already, nothing is
changed, and there is no commit. Editors and managers.
@function Handle:band
@tparam string path the path of an integer
@tparam integer n the bits to keep: a value that `write` takes
@treturn integer the new value
@raise an error if the field is not an integer; otherwise as for `write`
*/
int lipm_handle_band(lua_State *L) {
    return fold_in(L, FOLD_BAND, lipm_handle_band);
}

/* ---- swap ---------------------------------------------------------------------------------- */

/* A text is compared up to its end, as the field would hold it: `room` has the type's size. */
static bool is_expected(const unsigned char *at, const ipm_type *type, const lipm_scalar *expected,
                        void *room) {
    if (type->kind >= IPM_CHAR) {
        uint64_t with_end = expected->size + type->align;
        lipm_storescalar(room, type, expected);
        return memcmp(at, room, with_end < type->size ? with_end : type->size) == 0;
    }
    fold_word old = word_at(at, type), other = {0};
    lipm_storescalar(&other, type, expected);
    if (!is_real(type))
        return type->kind == IPM_BOOL ? (old.bits != 0) == (other.bits != 0)
                                      : old.bits == other.bits;
    double a = real_of(type, old), b = real_of(type, other);
    return a == b || (a != a && b != b);
}

/***
Write a field if it has the expected value, as one transaction. Editors and managers.

The field is compared with `expected` as the field would hold it: a `float` with the nearest
`float`, 0.0 with -0.0 as equal, and NaN as equal to NaN.
@function Handle:swap
@tparam string path the path of a scalar or a text, not of a struct or an array
@tparam boolean|integer|number|string expected a value that `write` takes
@tparam boolean|integer|number|string new a value that `write` takes
@treturn boolean whether the field had the expected value and now has the new one. If it is false,
nothing was changed
@raise an error if the field is a struct or an array; otherwise as for `write`
*/
int lipm_handle_swap(lua_State *L) {
    lipm_handle *handle = lipm_pinwriter(L);
    lipm_scalar expected = {0}, new = {0};
    bool has_begun;
    ipm_error error;
    lua_settop(L, 4);
    const lipm_part *part = lipm_checkpart(L, handle);
    lipm_place place = lipm_placeof(handle, part);
    if (!lipm_is_scalar(place.type)) {
        return lipm_complain(L, &place, "swap compares one value, and %s has several: use update",
                             place.type->name);
    }
    check_unreserved(L, &place);
    if (!lipm_toscalar(L, 3, place.type, &expected))
        return lipm_complain_scalar(L, 3, &place);
    if (!lipm_toscalar(L, 4, place.type, &new))
        return lipm_complain_scalar(L, 4, &place);
    void *room = place.type->kind >= IPM_CHAR ? lua_newuserdatauv(L, place.type->size, 0) : NULL;
    lipm_checkopen(L, handle);
    if (lipm_beginown(L, handle, place.memory, &has_begun, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_swap);
    const unsigned char *base = ipm_segment_data(handle->segment);
    lipm_gap gap = lipm_findowngap(handle, part);
    bool is_swapped =
        gap.guard == NULL && is_expected(base + place.offset, place.type, &expected, room);
    if (is_swapped)
        lipm_storescalar(lipm_change(place.memory, place.offset, place.type->size), place.type,
                         &new);
    if (lipm_finishown(handle, has_begun, true, &error) != IPM_OK)
        return lipm_retry(L, handle, &error, lipm_handle_swap);
    if (gap.guard != NULL)
        return lipm_complain_gap(L, place.memory, part, &gap);
    lua_pushboolean(L, is_swapped);
    return 1;
}
