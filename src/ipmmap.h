/*
 * ipmmap - typed shared memory between independent processes.
 *
 * A layout describes how a struct lies in memory. A segment is one such struct in a memory-mapped
 * file. Any number of processes open it by name, in one of three roles, and work on it under a
 * reader-writer lock that survives the death of its holder.
 *
 *      ipm_layout *layout;
 *      ipm_segment *segment;
 *      ipm_error error;
 *      if (ipm_layout_parse(text, strlen(text), &layout, &error) != IPM_OK ||
 *          ipm_segment_open(IPM_EDITOR, layout, NULL, &segment, &error) != IPM_OK)
 *          die(error.text);
 *      if (ipm_segment_lock(segment, IPM_FOREVER, &error) == IPM_OK) {
 *          double *x = ipm_segment_change(segment, 16, sizeof *x);
 *          *x = 99;
 *          ipm_segment_unlock(segment, &error);        // commits
 *      }
 *
 * Conventions of every function here:
 *  - It returns IPM_OK or another ipm_code. A failed call changes nothing.
 *  - It writes the details of a failure to *error, which may be NULL. It prints nothing, and the
 *    value of errno after it means nothing.
 *  - Sizes and offsets are in bytes, times in nanoseconds of CLOCK_MONOTONIC, unless said.
 *  - One thread at a time uses a segment handle, and the thread that locked it must unlock it.
 *    Several threads open several handles. A layout is immutable, and threads may share it.
 *  - A handle cannot be used in a fork's child: every call on it there returns IPM_EFORKED.
 *  - A signal handler may call ipm_segment_interrupt, ipm_version and ipm_code_name, and nothing
 *    else. It must not leave a function of this library by siglongjmp or by a C++ exception: the
 *    lock could stay held while the handle counts as unlocked. The library blocks and ignores no
 *    signals and installs no handlers.
 */
#ifndef IPMMAP_H
#define IPMMAP_H

#ifndef __LP64__
#error "ipmmap needs a 64-bit system"
#endif

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <type_traits>
extern "C" {
#endif

#define IPM_VERSION "0.1.0" /* https://semver.org: until 1.0.0 a minor version may break */

#define IPM_API __attribute__((visibility("default")))

/* The IPM_VERSION of the library at run time, which may differ from that of this header. */
IPM_API const char *ipm_version(void);

/* ---- Errors ------------------------------------------------------------------------------ */

typedef enum ipm_code {
    IPM_OK = 0,
    IPM_ENOTFOUND,     /* no such segment */
    IPM_ELAYOUT,       /* the file has another layout; the text names the first difference */
    IPM_ECORRUPT,      /* not a segment, or a damaged one */
    IPM_EPERMISSION,   /* access denied; or the file has several names, or an untrusted owner */
    IPM_ENOSPACE,      /* no room on the disk, in the quota, or within RLIMIT_FSIZE */
    IPM_ESYSTEM,       /* any other failure of a system call */
    IPM_ETIMEOUT,      /* it did not happen within the given time */
    IPM_EDEADLOCK,     /* this thread holds a lock on the segment through another handle */
    IPM_EINCOMPATIBLE, /* the lock file is in use by another libc, architecture or pid namespace */
    IPM_EREPLACED,     /* the segment was replaced, destroyed or removed since it was opened */
    IPM_EFORKED,       /* the handle was opened by the parent, before a fork */
    IPM_EINTERRUPTED,  /* a signal handler, or ipm_segment_interrupt, ended a wait */
    IPM_EINVALID,      /* a bug of the caller, which the text explains */
    IPM_ENOTHOME /* the segment is a replica of another machine's, or the lease of this machine
                    has ended: see ipm_share */
} ipm_code;

typedef struct ipm_error {
    ipm_code code;
    int system; /* the errno of the system call that failed, or 0 */
    char text[512];
} ipm_error;

/* The name of a code in the documentation and in Lua: "not_found", "layout", ... Never NULL. */
IPM_API const char *ipm_code_name(ipm_code code);

/* ---- Layouts ----------------------------------------------------------------------------- */

typedef enum ipm_kind {
    IPM_BOOL,
    IPM_INT8,
    IPM_UINT8,
    IPM_INT16,
    IPM_UINT16,
    IPM_INT32,
    IPM_UINT32,
    IPM_INT64,
    IPM_UINT64,
    IPM_FLOAT,
    IPM_DOUBLE,
    IPM_CHAR,     /* text of at most `size` bytes, zero-filled */
    IPM_CHAR16,   /* UTF-16 text of `size` bytes, in the machine's byte order, zero-filled */
    IPM_CHAR32,   /* UTF-32 text of `size` bytes */
    IPM_ARRAY,    /* `count` elements of type `element` */
    IPM_LIST,     /* at most `count` elements: a uint32_t, the number in use, and the array */
    IPM_OPTIONAL, /* a bool, whether there is a value, and the value, of type `element` */
    IPM_STRUCT    /* `count` fields */
} ipm_kind;

typedef struct ipm_type ipm_type;
typedef struct ipm_field ipm_field;

/* A number of an integer or real type: of a signed integer in `i`, of an unsigned one in `u`, of a
 * float or double in `f`. */
typedef union ipm_number {
    int64_t i;
    uint64_t u;
    double f;
} ipm_number;

typedef struct ipm_constant {
    const char *name;
    ipm_number number;
} ipm_constant;

/* The names of numbers: an enumeration, or flags. */
typedef struct ipm_enum {
    bool is_flags;
    size_t count;
    const ipm_constant *constants; /* in the order of declaration */
} ipm_enum;

/* The least and the greatest number that a field takes. NaN is never within limits. */
typedef struct ipm_limits {
    bool has_min, has_max;
    ipm_number min, max; /* of a float: rounded to float */
} ipm_limits;

/* A type. Its layout owns it, and it lives as long as its layout. */
struct ipm_type {
    ipm_kind kind; /* of an enumeration: that of its integer type */
    uint32_t align;
    uint64_t size;
    uint64_t count;
    const char *name; /* as in schema text: "int32", "char[256]", "Point2D[24]", "Point2D", "Mode",
                         "Item[<=64]", "int32?" */
    const ipm_type *element;  /* IPM_ARRAY, IPM_LIST, IPM_OPTIONAL */
    const ipm_field *fields;  /* IPM_STRUCT: in memory order, the parent's first */
    const ipm_type *parent;   /* IPM_STRUCT: the struct that it extends, or NULL */
    const ipm_enum *names;    /* an integer type: an enumeration or flags; otherwise NULL */
    const ipm_limits *limits; /* a number type with limits; otherwise NULL. An array of numbers has
                                 them in its element */
    uint64_t inner;           /* IPM_LIST, IPM_OPTIONAL: the offset of the first element */
    uint32_t pack;            /* IPM_STRUCT: the greatest alignment of a member; 0: natural */
};

struct ipm_field {
    const char *name;
    const ipm_type *type;
    uint64_t offset;        /* from the start of the struct */
    const char *unit, *doc; /* NULL: none */
    const void *initial; /* its default: `initial_size` bytes, which repeat until the field's end:
                            those of an element, or of the whole field; NULL: none */
    uint64_t initial_size;
};

typedef struct ipm_layout ipm_layout;

/* The schema text of the base of every shared struct: put it before your own structs. */
#define IPM_BASE_SCHEMA                                                                            \
    "struct MmapStructureHeader {\n"                                                               \
    "  header_code: int16\n"                                                                       \
    "  time_stamp: double\n"                                                                       \
    "}\n"                                                                                          \
    "struct BaseMmapStructure {\n"                                                                 \
    "  header: MmapStructureHeader\n"                                                              \
    "}\n"
#define IPM_HEADER_SIZE 16
#define IPM_HEADER_CODE 0x1128

/*
 * Limits: the size of a struct; the depth of nested structs and arrays together (a parent counts
 * like a member); the length of a name; the length of a schema text, also in its canonical form;
 * the number of fields of all structs of a layout together (a parent's fields count again in each
 * child); and the bytes of all their defaults together (ipm_field.initial_size).
 */
#define IPM_MAX_SIZE (UINT64_C(1) << 40)
#define IPM_MAX_DEPTH 64
#define IPM_MAX_NAME 63
#define IPM_MAX_TEXT (1 << 20)
#define IPM_MAX_FIELDS (1 << 18)
#define IPM_MAX_INITIAL (1 << 20)

/*
 * Parse schema text. The layout's own type is the last one declared; the other ones are its parts.
 *
 *      schema    = { struct | names }
 *      struct    = "struct" name [ ":" parent ] [ "(" "pack" count ")" ] "{" { field } "}"
 *      field     = name ":" type [ "(" attribute { "," attribute } ")" ] [ ";" ]
 *      type      = name { "[" [ "<=" ] count "]" } [ "?" ]
 *      attribute = "default" ( value | "[" value { "," value } "]" ) | "min" number | "max" number
 *                | "unit" string | "doc" string
 *      value     = number | string | "true" | "false" | name
 *      names     = ( "enum" | "flags" ) name ":" type "{" { name "=" number } "}"
 *
 * White space separates tokens. A type is declared before it is used. Fields have natural C
 * alignment, and in a packed struct at most the alignment `pack`: 1, 2, 4 or 8, as by C's #pragma
 * pack. A child's own fields start at its parent's size. A struct that descends from
 * BaseMmapStructure cannot be packed itself. "_Bool" means "bool".
 *
 * "[<=64]" and "?" come last in a type. In C, "Item[<=64]" is struct { uint32_t count; Item
 * items[64]; }, and "int32?" is struct { bool present; int32_t value; }. A list has no lists or
 * optional values as elements, unless in a struct; nor has an optional value.
 *
 * Attributes come in any order, each at most once. Limits are of number fields, and of the elements
 * of arrays, lists and optional fields of numbers. A default is of a scalar or a text, or of an
 * array of these, where one value is for each element, and values in brackets are for the first
 * elements, in memory order; the rest is zero. It must be within the limits.
 *
 * A number is decimal: of an integer, without fraction and exponent. The default of a float or
 * double may also be nan, inf or -inf. That of an enumeration or flags is a name, which may be in
 * quotes, or a number. That of char16 and char32 is UTF-8. A string is in double quotes, with \",
 * \\ and \xHH, as for control characters; it has no NUL.
 *
 * An enumeration and flags are of an integer type. No two names have the same number, and flags are
 * not 0.
 *
 * returns  IPM_EINVALID (with the line), IPM_ESYSTEM (no memory)
 * owner    the caller, which frees the layout after it has closed the last segment opened with it
 */
IPM_API int ipm_layout_parse(const char *text, size_t length, ipm_layout **layout,
                             ipm_error *error);
IPM_API void ipm_layout_free(ipm_layout *layout);

/* The layout's own type: a struct, an enumeration or flags. */
IPM_API const ipm_type *ipm_layout_type(const ipm_layout *layout);

/* A field of a struct that a program defines, for ipm_layout_compose. */
typedef struct ipm_member {
    const char *name;
    const char *type; /* with its attributes, as in schema text: "float[4] (default 1, min 0)" */
    size_t length;    /* of `type`, which may contain any bytes */
} ipm_member;

/*
 * Make a layout from the fields of its struct, in memory order, and from types of other layouts:
 * the layout that ipm_layout_parse makes from a text with this struct and all its parts. For
 * programs that define structs one after the other.
 *
 * name     of the struct; of a packed one with its pack: "Point2D (pack 1)"
 * parent   the struct that it extends, which must be in `parts`; NULL: none
 * parts    the structs, enumerations and flags that `members` may name. The layout has copies of
 *          those that it uses
 * untyped  the index of the member whose type was not understood, or `count`; may be NULL
 * returns  IPM_EINVALID: the text begins with "Demo.points: " if it is about one member, otherwise
 *          with "Demo: "; IPM_ESYSTEM (no memory)
 * owner    the caller, as for ipm_layout_parse
 */
IPM_API int ipm_layout_compose(const char *name, const ipm_type *parent, const ipm_member *members,
                               size_t count, const ipm_type *const *parts, size_t part_count,
                               size_t *untyped, ipm_layout **layout, ipm_error *error);

/* The canonical schema text, with a final NUL. Parsing it gives the same layout and text. */
IPM_API const char *ipm_layout_text(const ipm_layout *layout, size_t *length);

/*
 * Load the layout that the data file at `path` describes.
 * returns  IPM_ENOTFOUND, IPM_ECORRUPT, IPM_EPERMISSION, IPM_ESYSTEM
 * owner    the caller
 */
IPM_API int ipm_layout_load(const char *path, ipm_layout **layout, ipm_error *error);

/* Whether a segment can have this struct: it descends from BaseMmapStructure. */
IPM_API bool ipm_type_is_shared(const ipm_type *type);

/*
 * Whether two types, of any two layouts, are the same in memory: the same names of fields, types
 * and offsets. Attributes, and whether an integer is an enumeration, make no difference.
 */
IPM_API bool ipm_type_equal(const ipm_type *a, const ipm_type *b);

/* Store the defaults of a struct and of its members, and zero in all other bytes: what creation and
 * clear store, but for the common header. */
IPM_API void ipm_type_initialize(const ipm_type *type, void *into);

/*
 * Check the values of a struct or of any other type against its limits, counts of lists against
 * their capacity, and bools.
 * bytes    of any alignment; no other thread changes them
 * returns  IPM_EINVALID: the text names the first value that is refused, as in
 *          "Demo.volume: 1.5 is above the limit of 1"
 */
IPM_API int ipm_type_check(const ipm_type *type, const void *bytes, ipm_error *error);

/*
 * Find a part by its path, such as "pts[3].x": names after dots, indices from 1 in brackets. The
 * path goes through an optional value to its parts. An index of a list may be any up to its
 * capacity: whether the list has the element, and the optional a value, is for those who use the
 * values.
 * returns  IPM_EINVALID: the text names the struct, the path and what is wrong with it
 */
IPM_API int ipm_type_find(const ipm_type *type, const char *path, size_t length,
                          const ipm_type **found, uint64_t *offset, ipm_error *error);

/* The field with that name, or NULL. */
IPM_API const ipm_field *ipm_type_field(const ipm_type *type, const char *name, size_t length);

/* How the layout of a data file may differ from the one that the program gives. */
typedef enum ipm_match {
    IPM_EXACT,        /* not at all */
    IPM_SAME_OFFSETS, /* the file may have more fields: for programs in C, whose structs are fixed
                       */
    IPM_BY_PATH       /* and the fields may be at other offsets: see ipm_segment_layout */
} ipm_match;

/*
 * Compare two structs or arrays, of any two layouts.
 *
 * a        may have more fields than `b`, as far as `match` allows it
 * where_a, where_b   name their places in the text: "in the file"
 * match    IPM_BY_PATH: `a` has each field of `b` by its path, with the same type. IPM_EXACT: see
 *          ipm_type_equal
 * returns  IPM_OK; IPM_ELAYOUT, with the first difference as text, such as
 *          "data_int: int32 at 16 in the file, int64 at 16 in the definition"
 */
IPM_API int ipm_type_compare(const ipm_type *a, const char *where_a, const ipm_type *b,
                             const char *where_b, ipm_match match, ipm_error *error);

/* ---- Layouts that change ----------------------------------------------------------------- */

/* How a struct of one layout becomes one of another: see ipm_convert. */
typedef enum ipm_migrate {
    IPM_MIGRATE_NO,
    IPM_MIGRATE_YES,  /* what could lose a value is refused */
    IPM_MIGRATE_LOSSY /* a value that does not fit is lost, and the report lists it */
} ipm_migrate;

typedef struct ipm_paths {
    size_t count;
    const char *const *paths; /* in memory order */
} ipm_paths;

/*
 * What became of the fields. A path stands for all that is below it: "pos", if the whole struct was
 * kept, otherwise "pos.x". An index stands for this element and all after it: "pts[1].x" for each
 * element, "route[9]" for those of an array of 12 that became one of 8. The common header, which is
 * always kept, is not listed.
 */
typedef struct ipm_migration {
    ipm_paths kept;    /* each value is there */
    ipm_paths added;   /* not in the old layout: the default, or zero */
    ipm_paths dropped; /* a value was lost: it is not in the new layout, or did not fit */
} ipm_migration;

/*
 * Convert a struct to another layout. Each field that both layouts have, by its path, is copied:
 * one of the same type; a wider one of the same kind (a signed or an unsigned integer, or float and
 * double; an enumeration counts as its integer); a longer text; a longer array or list, of elements
 * that can be converted; an array that becomes a list; a value that becomes optional; a struct,
 * field by field, whatever its name and its packing. All else is as ipm_type_initialize stores it.
 * Fields that the new layout does not have are dropped.
 *
 * What could lose a value is refused: a narrower type, a shorter text, array or list, a list that
 * becomes an array, an optional value that is no longer optional, another kind, and a value outside
 * the new limits. `lossy` allows it. Then a number becomes any other kind of number, if it is in
 * the range of that kind and, for an integer, has no fraction; doubles are rounded to floats. A
 * text that is too long is cut after a whole character. Any other value that does not fit is lost:
 * its field has the default, or zero, and an optional number is absent. A value that was absent
 * becomes the default.
 *
 * from, to   structs
 * data       of type `from`; `into`, of type `to`; both aligned to 8, and they must not overlap
 * migration  the report, or NULL. owner: the caller, who frees it by ipm_migration_free
 * returns    IPM_ELAYOUT: the text names the field and both types, or the value; IPM_ECORRUPT: a
 *            list has more elements than fit; IPM_ESYSTEM (no memory)
 */
IPM_API int ipm_convert(const ipm_type *from, const void *data, const ipm_type *to, void *into,
                        bool lossy, ipm_migration **migration, ipm_error *error);
IPM_API void ipm_migration_free(ipm_migration *migration);

/* ---- Layouts from C structs -------------------------------------------------------------- */

/*
 * A table of the fields of a C struct of the host. The compiler checks it against the struct: each
 * member's C type, sizeof and offsetof, and the size of the whole.
 *
 *      typedef struct Point2D { double x, y; } Point2D;
 *      #define POINT2D(FIELD) FIELD(x, double) FIELD(y, double)
 *      IPM_STRUCT(Point2D, POINT2D)
 *
 *      typedef struct Game { ipm_header header; int32_t score; Point2D at[MAX]; } Game;
 *      #define GAME(FIELD) FIELD(score, int32) FIELD(at, Point2D[MAX])
 *      IPM_SHARED(Game, GAME, IPM_TEXT(Point2D, POINT2D))
 *
 *      ipm_layout_parse(Game_schema, sizeof Game_schema - 1, &layout, &error);
 *
 * A table is a macro that calls its argument with (member, type) for each member in memory order.
 * Types are those of schema text. A count in brackets is a decimal number, or a macro for one,
 * because its text goes into the schema. The compiler refuses anything else, such as a constexpr,
 * an enumeration's constant or 4 * 6. (clang overlooks some of these in C; ipm_layout_parse then
 * refuses the schema.) A member's C type must be one of the list below, or the typedef of a struct
 * that has a table. long long, enumerations, pointers and bit-fields cannot be members. A table has
 * no attributes, lists and optional fields, and no packed structs: for these, write the schema text
 * by hand, and give it to ipm_layout_parse.
 *
 * IPM_STRUCT  checks a plain struct, which can be a member of another. Use it once, at file scope
 * IPM_SHARED  checks a struct that starts with `ipm_header header`, and defines its schema text
 *             `static const char <struct>_schema[]`. `parts` is the IPM_TEXT of the structs of its
 *             members, each one after its own parts; or "". Use it at file scope
 * IPM_TEXT    the schema text of a struct that has a table, as a string literal
 */
#define IPM_STRUCT(type, FIELDS) IPM_CHECKED_(type, FIELDS, )

#define IPM_SHARED(type, FIELDS, parts)                                                            \
    IPM_CHECKED_(type, FIELDS, ipm_header header;)                                                 \
    IPM_ASSERT_(IPM_SAME_(__typeof__(IPM_OF_(type, header)), ipm_header) &&                        \
                    offsetof(type, header) == 0,                                                   \
                #type " does not start with `ipm_header header`");                                 \
    static const char type##_schema[] =                                                            \
        IPM_BASE_SCHEMA parts "struct " #type " : BaseMmapStructure {\n" FIELDS(IPM_LINE_) "}\n";

#define IPM_TEXT(type, FIELDS) "struct " #type " {\n" FIELDS(IPM_LINE_) "}\n"

/* The common header, the first member of every shared struct. Only creation, touch and clear set
 * it. */
typedef struct ipm_header {
    int16_t header_code; /* IPM_HEADER_CODE */
    double time_stamp;   /* seconds since 1970 */
} ipm_header;

typedef bool ipm_c_bool;
typedef int8_t ipm_c_int8;
typedef uint8_t ipm_c_uint8;
typedef int16_t ipm_c_int16;
typedef uint16_t ipm_c_uint16;
typedef int32_t ipm_c_int32;
typedef uint32_t ipm_c_uint32;
typedef int64_t ipm_c_int64;
typedef uint64_t ipm_c_uint64;
typedef float ipm_c_float;
typedef double ipm_c_double;
typedef char ipm_c_char;

#ifdef __cplusplus
#define IPM_ASSERT_(condition, text) static_assert(condition, text)
#define IPM_SAME_(a, b) std::is_same<a, b>::value
#define IPM_OF_(type, member) type::member
constexpr bool ipm_only_counts_(const char *text) {
    return *text == '\0' ||
           ((*text == '[' || *text == ']' || *text == ' ' || (*text >= '0' && *text <= '9')) &&
            ipm_only_counts_(text + 1));
}
constexpr bool ipm_has_counts_(const char *text) {
    return *text == '\0' || (*text == '[' ? ipm_only_counts_(text) : ipm_has_counts_(text + 1));
}
#define IPM_HAS_COUNTS_(type) ipm_has_counts_(IPM_STRING_(type))
#else
#define IPM_ASSERT_(condition, text) _Static_assert(condition, text)
#define IPM_SAME_(a, b) __builtin_types_compatible_p(a, b)
#define IPM_OF_(type, member) ((type *)0)->member
#ifdef __clang__ /* few functions are constant expressions there */
#define IPM_AFTER_(text) (__builtin_strchr(text, '[') + 1)
#define IPM_IS_NO_NAME_(at) (__builtin_memcmp(at, "A", 1) < 0)
#define IPM_HAS_COUNTS_(type)                                                                      \
    (IPM_IS_NO_NAME_(IPM_AFTER_(IPM_STRING_(type) "[1")) &&                                        \
     IPM_IS_NO_NAME_(IPM_AFTER_(IPM_AFTER_(IPM_STRING_(type) "[1[1"))))
#else
#define IPM_COUNTS_(type) (IPM_STRING_(type) + __builtin_strcspn(IPM_STRING_(type), "["))
#define IPM_HAS_COUNTS_(type)                                                                      \
    (__builtin_strspn(IPM_COUNTS_(type), "[]0123456789 ") == __builtin_strlen(IPM_COUNTS_(type)))
#endif
#endif
#define IPM_STRING_(...) #__VA_ARGS__
#define IPM_LINE_(member, type) "  " #member ": " IPM_STRING_(type) "\n"

/* Compares the struct that the table describes with the struct of the host. */
#define IPM_CHECKED_(type, FIELDS, head)                                                           \
    typedef type ipm_c_##type;                                                                     \
    __attribute__((unused)) static inline void ipm_check_##type(void) {                            \
        typedef type ipm_host_;                                                                    \
        typedef struct {                                                                           \
            head FIELDS(IPM_MEMBER_)                                                               \
        } ipm_listed_;                                                                             \
        FIELDS(IPM_MATCH_)                                                                         \
        IPM_ASSERT_(sizeof(ipm_host_) == sizeof(ipm_listed_),                                      \
                    #type ": the table has other members than the struct");                        \
    }
#define IPM_MEMBER_(member, type) __typeof__(ipm_c_##type) member; /* NOLINT */
#define IPM_MATCH_(member, type)                                                                   \
    enum { ipm_has_counts_##member = IPM_HAS_COUNTS_(type) };                                      \
    IPM_ASSERT_(ipm_has_counts_##member,                                                           \
                #member ": a count in " #type " is no decimal number and no macro for one");       \
    IPM_ASSERT_(IPM_SAME_(__typeof__(IPM_OF_(ipm_host_, member)), __typeof__(ipm_c_##type)),       \
                #member " is not " #type " in the struct");                                        \
    IPM_ASSERT_(offsetof(ipm_host_, member) == offsetof(ipm_listed_, member),                      \
                #member " lies elsewhere in the struct than in the table");

/* ---- Segments ---------------------------------------------------------------------------- */

typedef enum ipm_role {
    IPM_READER, /* read lock, read; the data is mapped read-only */
    IPM_EDITOR, /* write lock, read and write */
    IPM_MANAGER /* as an editor; and create, reset, destroy */
} ipm_role;

#define IPM_FOREVER INT64_MAX
#define IPM_MAX_READERS 128
#define IPM_MAX_LOCKS 2000 /* held by one thread at a time: see ipm_segment_lock */
#define IPM_MAX_TAG 128

/*
 * How to open a segment. Zero is the default of every member, so name those that you set:
 *
 *      ipm_options options = {.own_size = sizeof options, .create = true};
 *
 * own_size  tells a library of another version which members the caller has. Members that the
 *           caller does not have get their default. Members that the library does not have must be
 *           zero, otherwise opening fails with IPM_EINVALID. 0 means the size of the first version,
 *           whose last member is `follow`
 * path      the path of the data file, which ends in <Struct>_<tag>.mmap, instead of tag and
 *           mmap_dir: for tools that are given a file. ipm_layout_load gives its layout
 */
typedef struct ipm_options {
    size_t own_size;       /* sizeof(ipm_options) */
    const char *tag;       /* NULL or "": none; letters, digits, '.', '_', '-', and no ".." */
    const char *mmap_dir;  /* NULL: "./.mmap"; "": the working directory */
    const char *lock_dir;  /* NULL: the directory of the data file */
    const char *path;      /* NULL: from mmap_dir, the struct's name and the tag */
    bool create;           /* manager: make the segment if there is none */
    bool force;            /* manager, with create: start afresh */
    uint32_t mode;         /* manager: permission bits of both files; 0: 0600 */
    uint32_t max_readers;  /* manager: 1 to IPM_MAX_READERS; 0: IPM_MAX_READERS */
    bool prefault;         /* touch each page at opening, so that no later access page-faults */
    bool mlock;            /* keep all pages in memory; includes prefault. See RLIMIT_MEMLOCK */
    const uint32_t *trust; /* users whose files are used in any directory: see below */
    size_t trust_count;    /* the number of users */
    ipm_migrate migrate;   /* manager, with create: what to do about another layout: see below */
    uint64_t feed;         /* manager, with create: bytes for feeds; 0: none. See ipm_feed_open */
    ipm_match match;       /* which layouts the file may have: see below */
    int64_t wait_ns;       /* editor, reader: how long to wait until the segment is there */
    bool follow;      /* go on with the segment that replaces this one: see ipm_segment_follow */
    const void *init; /* manager, with create: the first values of a segment that is made or, with
                         `force`, reset: the layout's struct, whose header is ignored. NULL: the
                         defaults of the fields */
    bool shares; /* manager: for the program that carries a segment's commits between machines. A
                    segment that it makes is a replica from its first moment on: see ipm_share */
} ipm_options;

/*
 * `migrate` replaces a segment of another layout, which may be another one only in its attributes,
 * by one of this layout, into which ipm_convert copies the values. Version and time stamp go on
 * from the old ones; owner, mode and max_readers stay. It takes the old segment's lock, so no
 * commit is lost, and a dead writer's transaction is rolled back first. Handles on the old segment
 * then return IPM_EREPLACED, or follow. A segment of this layout, or of one that `match` allows, is
 * opened as it is. If the opening fails, the old segment is unchanged, except for an error after
 * the new file has got its name. If the process dies, there is the old segment or the new one;
 * where editors find none, the next manager with `create` finds the old one.
 *
 * returns  IPM_ELAYOUT (see ipm_convert), IPM_ETIMEOUT and IPM_EDEADLOCK (the old segment's lock),
 *          IPM_EPERMISSION (also: the new file cannot have the owner and the group of the old one),
 *          IPM_ENOSPACE, ...
 */

/*
 * A file that has more fields than the layout opens with `match`: each field of the layout must be
 * in the file by its path, with the same type, nested structs and the elements of arrays included.
 * Every size and offset is then the file's: ipm_segment_snapshot copies the file's struct, of
 * ipm_info.size bytes. A manager that creates keeps a segment that matches; `force` resets it.
 *
 * IPM_SAME_OFFSETS  each field of the layout has the same offset in the file, as in a struct that
 *                   has grown at its end or in its padding. So ipm_segment_data is the address of
 *                   the program's own C struct, too, and IPM_AT finds its members
 * IPM_BY_PATH       the fields may be anywhere: ipm_segment_layout has their offsets
 */

/*
 * In a directory that everybody may write to, such as /tmp or /dev/shm, any user can make a file
 * with the name of a segment's file. A file there is used only if its owner is this process's
 * effective user, the directory's owner, a user in `trust`, or (for the lock file) the data file's
 * owner; otherwise opening fails with IPM_EPERMISSION. A manager that creates also checks the
 * directory: its owner must be the manager's user, root or a user in `trust`, and it must have the
 * sticky bit if everybody may write to it. IPM_ANYONE in `trust` means all users, for directories
 * that are shared on purpose.
 */
#define IPM_ANYONE UINT32_MAX

typedef struct ipm_segment ipm_segment;

/*
 * Open a segment, or create it as a manager. Its files are <Struct>_<tag>.mmap and .lock. A reader
 * that cannot use the lock file (IPM_EPERMISSION, IPM_ENOSPACE, IPM_EINCOMPATIBLE) still opens the
 * segment for lock-free reads; ipm_segment_lock then returns that code.
 *
 * layout   the handle refers to it, so it must outlive the handle
 * options  NULL: the defaults
 * returns  any code from IPM_ENOTFOUND to IPM_EINCOMPATIBLE, or IPM_EINVALID; with `wait_ns`,
 *          IPM_ETIMEOUT instead of IPM_ENOTFOUND, and IPM_EINTERRUPTED if a signal handler ran;
 *          with `force` and `migrate`, IPM_ENOTHOME: the segment stays as it is
 * waits    if there is no segment, `wait_ns` until a manager has made it; any other failure comes
 *          at once. In each try, at most 10 s in all, for processes that are opening, creating or
 *          destroying the same segment. After that it fails with IPM_ETIMEOUT, and the text names
 *          the byte of the lock file that another process holds; a reader opens for lock-free reads
 *          instead. With `force`, if a segment of this layout exists, it waits another 10 s at most
 *          for the segment's lock; if it fails with IPM_ETIMEOUT, the segment is unchanged. With
 *          `migrate`, if a segment of another layout exists, it also waits for that lock and for
 *          those who open the old segment, another 10 s at most each
 */
IPM_API int ipm_segment_open(ipm_role role, const ipm_layout *layout, const ipm_options *options,
                             ipm_segment **segment, ipm_error *error);

/*
 * The layout of the segment: the program's own, if the file has the same schema text; otherwise
 * that of the file, whose offsets (with `match`), defaults, limits and names hold. It may be
 * another one each time that the handle has followed: see ipm_segment_openings. owner    the
 * handle, which keeps it until it is closed
 */
IPM_API const ipm_layout *ipm_segment_layout(const ipm_segment *segment);

/*
 * With the option `follow`, a handle whose segment was replaced goes on with the segment that has
 * its name now. The next call outside a lock opens that segment, as the same role and with the same
 * options, and so may also fail as ipm_segment_open; the call after that tries again. Until there
 * is a segment of that name, also after a manager died while it migrated the segment, calls return
 * IPM_EREPLACED. If the new segment does not match the layout, they return IPM_ELAYOUT.
 *
 * A lock that is held stays on the old segment until it is released, which returns IPM_EREPLACED.
 * Waits for the lock go on, and their time starts anew. ipm_segment_write, touch and clear outside
 * a lock are repeated if their commit was lost. The first ipm_segment_wait returns the version of
 * the new segment at once, unless another call has returned it before. The version may be lower;
 * after `migrate` it goes on from the old one. The descriptor of ipm_segment_fd stays the same, and
 * becomes readable. A call that opens takes time and memory; any other call costs nothing more.
 *
 * With IPM_BY_PATH the offsets may change, so only ipm_segment_follow opens. Call it when a call
 * has returned IPM_EREPLACED, and then find the fields again.
 *
 * returns  IPM_OK: the handle is on the segment that has the name; IPM_EREPLACED: there is none, or
 *          the handle holds its lock or does not have the option; or as ipm_segment_open;
 *          IPM_EFORKED
 */
IPM_API int ipm_segment_follow(ipm_segment *segment, ipm_error *error);

/*
 * How many segments the handle has opened: 1, and one more each time that it has followed. If the
 * number has grown, ask for ipm_segment_layout again; with IPM_BY_PATH, find the fields again.
 */
IPM_API uint64_t ipm_segment_openings(const ipm_segment *segment);

/*
 * Close a handle. If an editor's handle is locked, its changes are rolled back. NULL is allowed.
 * returns  IPM_OK; or IPM_EINVALID if another thread holds its lock: the handle stays open
 */
IPM_API int ipm_segment_close(ipm_segment *segment, ipm_error *error);

/*
 * Take the role's lock: for writing (editor, manager) or for reading (reader).
 *
 * timeout_ns  0 tries once, IPM_FOREVER waits
 * returns     IPM_ETIMEOUT, IPM_EDEADLOCK, IPM_EREPLACED, IPM_EINCOMPATIBLE, IPM_EPERMISSION or
 *             IPM_ENOSPACE (a reader that may not write to the lock file, or that has no room for
 *             it), IPM_EFORKED; IPM_EINTERRUPTED (ipm_segment_interrupt);
 *             IPM_ESYSTEM: this thread already holds IPM_MAX_LOCKS locks, of any segments (the
 *             kernel releases a limited number of robust mutexes when a thread dies; 40 are left
 *             for other libraries), or libc has no memory for a thread's first lock
 *             (pthread_key_create, pthread_setspecific);
 *             IPM_ENOTHOME (editor, manager; it does not wait for the lock then);
 *             IPM_EINVALID if this handle is locked already
 * order       first come, first served among the waiters. A process that finds the lock free may
 *             overtake the waiters for half a millisecond after one of them came to the front of
 *             the queue. A try (timeout 0) never waits, and follows the same rule
 * threads     a thread that ends while it holds the lock rolls back and releases it, unless it ends
 *             by a bare exit system call
 * signals     do not end the wait, except through a handler that calls ipm_segment_interrupt. A
 *             handler must not leave this or any other call by longjmp or siglongjmp: mutexes that
 *             the call had locked would stay locked until the thread ends. A lock that the call has
 *             returned may be held across a longjmp within its thread
 * never       allocates
 */
IPM_API int ipm_segment_lock(ipm_segment *segment, int64_t timeout_ns, ipm_error *error);

/*
 * Release the lock. An editor's changes are committed as one transaction.
 * returns  IPM_EREPLACED: the lock is released, but the segment was replaced or destroyed in the
 *          meantime, so no other process will see the commit; IPM_ENOTHOME: the lock is released,
 *          and the changes are rolled back; IPM_EINVALID: the handle is not locked, or another
 *          thread locked it, or the thread that locked it has ended (the text tells which)
 */
IPM_API int ipm_segment_unlock(ipm_segment *segment, ipm_error *error);

/* Undo everything since the lock was taken, and release it. Errors as for unlock. */
IPM_API int ipm_segment_rollback(ipm_segment *segment, ipm_error *error);

/* Whether the handle holds its lock. */
IPM_API bool ipm_segment_is_locked(const ipm_segment *segment);

/*
 * The address of the struct while the handle holds its lock, otherwise NULL. The address is valid
 * until the lock is released; the next lock may give another. Never write through it: use
 * ipm_segment_change.
 */
IPM_API const void *ipm_segment_data(const ipm_segment *segment);

#define IPM_BLOCK_SIZE UINT64_C(256)

/*
 * Prepare `size` bytes at `offset` for changes in this transaction, and return their address, which
 * is valid until the lock is released. Change only bytes that were prepared. Blocks are counted
 * from the start of the struct: to prepare one byte of a block prepares all of it that is in the
 * struct.
 *
 * returns  NULL for a reader, without the lock, or for a range outside the struct
 * cost     the first change to each block of IPM_BLOCK_SIZE bytes in a transaction saves the block
 */
IPM_API void *ipm_segment_change(ipm_segment *segment, uint64_t offset, uint64_t size);

/*
 * Copy `size` bytes at `offset`, all of one moment. While the handle holds its lock, they include
 * its uncommitted changes; otherwise they are as last committed, as in ipm_segment_snapshot.
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_EINVALID (range)
 */
IPM_API int ipm_segment_read(ipm_segment *segment, uint64_t offset, uint64_t size, void *into,
                             ipm_error *error);

/*
 * Change `size` bytes at `offset`. While the handle holds its lock, the change is part of its
 * transaction; otherwise it is a transaction of its own, which waits for the lock. The common
 * header is never changed, whatever `from` has there, so that a whole struct can be written back.
 * errors   as for lock and unlock; IPM_EINVALID for a reader, or a range outside the struct
 */
IPM_API int ipm_segment_write(ipm_segment *segment, uint64_t offset, uint64_t size,
                              const void *from, ipm_error *error);

/*
 * The place of a member of a C struct, as the two arguments `offset, size`:
 *
 *      ipm_segment_read(segment, IPM_AT(Game, score), &score, &error);
 *      double *x = ipm_segment_change(segment, IPM_AT(Game, at[3].x));
 */
#define IPM_AT(type, member) offsetof(type, member), sizeof(IPM_OF_(type, member))

/*
 * Change one value: as ipm_segment_write, for a part that is found by its path as in ipm_type_find.
 *
 * path     in the segment's own layout. Lists on the way have the element, and optional values are
 *          present
 * size     of the part
 * errors   as for ipm_segment_write; IPM_EINVALID also for a path that leads nowhere, another size,
 *          and a value that ipm_type_check refuses; IPM_ECORRUPT: a list on the way has more
 *          elements than fit
 */
IPM_API int ipm_segment_put(ipm_segment *segment, const char *path, const void *from, uint64_t size,
                            ipm_error *error);

/*
 * Copy the whole struct as last committed, even while this handle holds the lock. It does not wait
 * for a writer that is busy, stopped or dead. Beside writers that commit faster than it can copy
 * their changes, it takes the read lock; it waits for that lock only after many failed tries, at
 * most 100 ms at a time. A handle without a lock file then has no limit on its tries.
 * version  the version that the copy shows; may be NULL
 */
IPM_API int ipm_segment_snapshot(ipm_segment *segment, void *into, uint64_t *version,
                                 ipm_error *error);

/* The number of commits since the segment was created. That of a replica may also grow by more than
 * 1: see ipm_segment_apply. */
IPM_API int ipm_segment_version(ipm_segment *segment, uint64_t *version, ipm_error *error);

/*
 * Sleep until there is a commit after `version`; return at once if there was one already.
 * now      the version at the end of the wait
 * returns  IPM_ETIMEOUT, IPM_EREPLACED, IPM_EFORKED, IPM_EINTERRUPTED;
 *          IPM_EINVALID if it would sleep while the handle holds its lock
 * signals  a handler that runs during the sleep ends the wait. One that runs just before the sleep
 *          does not, unless it calls ipm_segment_interrupt
 */
IPM_API int ipm_segment_wait(ipm_segment *segment, uint64_t version, int64_t timeout_ns,
                             uint64_t *now, ipm_error *error);

/*
 * Wait for a commit to any of several segments, of any number of them. During the call the process
 * has one inotify instance. If it can have none, it looks every 10 ms.
 *
 * segments  open handles, which may have different roles; a handle, or several handles of one
 *           segment, may be there more than once
 * versions  for each handle the version that the program knows: a later one is a commit
 * first     the index at which each look begins: by going on after the one that was reported last,
 *           a segment with many commits does not hide the others
 * which     the index of the handle that has a commit, or that failed
 * version   its version
 * returns   IPM_OK, IPM_ETIMEOUT, IPM_EREPLACED, IPM_EFORKED; IPM_EINTERRUPTED: a signal came, or
 *           ipm_segment_interrupt was called for one of them; IPM_EINVALID: count is 0, or a handle
 *           holds its lock and the call would have to sleep
 */
IPM_API int ipm_wait_any(ipm_segment *const *segments, const uint64_t *versions, size_t count,
                         size_t first, int64_t timeout_ns, size_t *which, uint64_t *version,
                         ipm_error *error);

/*
 * End a wait of this handle, for a commit or for the lock: the present one or, if there is none,
 * the next one. That wait returns IPM_EINTERRUPTED instead of sleeping. So no signal is missed,
 * whenever it arrives, with a handler such as
 *
 *      static ipm_segment *_Atomic segment;
 *      static void on_interrupt(int signal) {
 *          quit = 1;
 *          ipm_segment_interrupt(segment);
 *      }
 *
 * A wait for a commit ends at once, a wait for the lock within 50 ms. A call that need not wait
 * succeeds. Several interrupts before a wait count as one. After IPM_EINTERRUPTED, check what the
 * handler has set, and wait again if it has set nothing.
 *
 * segment  NULL, and in a fork's child a handle of the parent, are allowed and do nothing. The
 *          handle must not be closed, nor be closed by another thread at the same time
 * threads  any thread may call it, also in a signal handler; it preserves errno
 */
IPM_API void ipm_segment_interrupt(ipm_segment *segment);

/*
 * Have waits for the handle's lock call a function between two slices, every 30 ms at the longest.
 * If it returns a pointer, the wait ends with IPM_EINTERRUPTED. If it returns NULL, the wait goes
 * on, and keeps its place in the queue. So a scripting language can let its hooks run.
 *
 * asks     must not use the handle; NULL: nothing is called any more
 * with     its argument
 * threads  not beside another call with this handle
 */
IPM_API void ipm_segment_ask(ipm_segment *segment, const void *(*asks)(void *), void *with);

/*
 * A file descriptor for an event loop. It polls readable after each commit, and once the segment is
 * replaced or destroyed. ipm_segment_drain makes it unreadable again and returns the version. A
 * commit costs an editor one more system call only when the descriptor is not readable yet. It is
 * also readable one second after the last ipm_segment_drain, because an editor may die, or change
 * its user, after a commit and before its notification. A reader that may not write to the lock
 * file gets a descriptor that becomes readable every 10 ms. Commits before the first call of
 * ipm_segment_fd are not notified: look at the segment after that call.
 *
 * owner    the handle, which closes the descriptor when it is closed. Only poll it
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_ESYSTEM (too many inotify instances or watches, or
 *          descriptors: the text names the limit)
 */
IPM_API int ipm_segment_fd(ipm_segment *segment, int *fd, ipm_error *error);
IPM_API int ipm_segment_drain(ipm_segment *segment, uint64_t *version, ipm_error *error);

/*
 * A range of bytes of a struct. The functions that list ranges find the next one after *range, in
 * ascending order. So begin with an empty range at 0, and stop when there is none:
 *
 *      for (ipm_range range = {0, 0}; ipm_feed_changes(feed, &range);)
 *          use(range.offset, range.size);
 */
typedef struct ipm_range {
    uint64_t offset;
    uint64_t size;
} ipm_range;

/*
 * Find the next range that may have changed after `version`, in whole blocks of 256 bytes. A range
 * of size 0 means that there are no more. This works without a ring, and costs what was changed,
 * whatever the size of the struct.
 *
 * To bring a copy of an older version up to date: take a snapshot, then copy from it the ranges
 * that are listed after that. They include every byte in which the two differ, even if there are
 * more commits in the meantime.
 *
 * The list is exact, in blocks that were prepared for changes, for all versions since the last
 * transaction that was rolled back (by ipm_segment_rollback, or because its writer died), and since
 * the last commit that skipped versions (ipm_segment_apply). For an older version it may have more.
 * It also has the blocks of a transaction that is open at the moment.
 *
 * returns  IPM_EREPLACED, IPM_EFORKED; IPM_EINVALID: there is no such version yet
 */
IPM_API int ipm_segment_changed(ipm_segment *segment, uint64_t version, ipm_range *range,
                                ipm_error *error);

/*
 * Mark the bytes that may have changed after `version`. If the segment has a ring that still has
 * all commits since then, and the handle does not hold its lock, these are exactly the bytes that
 * the commits changed. Otherwise they are whole blocks, as of ipm_segment_changed.
 *
 * marks    as many bytes as the struct has: 1 for a byte that may have changed, otherwise 0
 * returns  as ipm_segment_changed; with a ring also as ipm_feed_open and ipm_feed_next
 */
IPM_API int ipm_segment_mark_changed(ipm_segment *segment, uint64_t version, unsigned char *marks,
                                     ipm_error *error);

/*
 * touch sets the header's time stamp to the present time; clear stores the defaults of the fields,
 * as ipm_type_initialize does, and zero in the time stamp. While the handle holds its lock, this is
 * part of its transaction; otherwise it is a transaction of its own, which waits for the lock.
 * Errors are those of lock and unlock, and IPM_EINVALID for a reader.
 */
IPM_API int ipm_segment_touch(ipm_segment *segment, ipm_error *error);
IPM_API int ipm_segment_clear(ipm_segment *segment, ipm_error *error);

/*
 * Write the data to disk, and return when it is there (msync).
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_ENOSPACE, IPM_ESYSTEM; IPM_EINVALID for a reader
 */
IPM_API int ipm_segment_flush(ipm_segment *segment, ipm_error *error);

/*
 * Remove both files. Calls on this handle and on all others then return IPM_EREPLACED, and their
 * waits end. If this handle is locked, its changes are rolled back first.
 * waits    at most 10 s, for another manager that is creating or destroying the segment
 * returns  IPM_ETIMEOUT, IPM_EREPLACED, IPM_EPERMISSION, ...; IPM_ENOTHOME; IPM_EINVALID if not a
 *          manager
 */
IPM_API int ipm_segment_destroy(ipm_segment *segment, ipm_error *error);

/* Whether a process still lives. */
typedef enum ipm_life {
    IPM_LIFE_UNKNOWN, /* it is of another pid namespace, or not known */
    IPM_ALIVE,
    IPM_GONE
} ipm_life;

/*
 * The state of a segment. The caller sets `own_size`, as in ipm_options; afterwards it is the
 * number of bytes that were filled in, which is smaller with an older library.
 */
typedef struct ipm_info {
    size_t own_size;       /* sizeof(ipm_info); 0 is the size of the first version */
    const char *path;      /* of the data file; the three strings live as long as the handle */
    const char *lock_path; /* of the lock file */
    const char *tag;
    uint64_t size;        /* of the struct */
    uint64_t version;     /* commits */
    bool pending;         /* a writer died in a transaction; the next writer will roll it back */
    uint64_t recoveries;  /* transactions rolled back because their writer died */
    uint32_t max_readers; /* slots */
    uint32_t readers;     /* read locks that living processes hold now */
    int32_t writer_pid;   /* the process that holds the write lock now, or 0 */
    bool writable;        /* the role may write */
    bool lockable;        /* false: lock-free reads only */
    bool replaced;        /* replaced, destroyed or removed: the rest is its final state */
    uint64_t feed;        /* bytes of the ring that feeds read; 0: there is none */
    /* The commit of `version`; all zeros: there was none yet, or an older library made it. A commit
     * is the end of a transaction with changes, also of `force`, and not a rollback or a recovery.
     * A migration takes the last commit along. */
    double last_commit;         /* when it was made, in seconds since 1970, to within 10 ms */
    int32_t last_writer;        /* the process that made it, by its pid in its own pid namespace */
    ipm_life last_writer_life;  /* a process that got the same pid later is not taken for it */
    uint64_t last_writer_start; /* when it started, in clock ticks after the boot, as the 22nd word
                                 * of /proc/PID/stat; 0: not known */
} ipm_info;

/*
 * Fill in *info. The holders of locks may change at any time: use them for diagnosis only. For a
 * destroyed segment, returns its final state.
 * returns  IPM_EFORKED, IPM_EINVALID (own_size); never IPM_EREPLACED: see `replaced`
 * cost     a system call, which checks that the file still has its name, and four more, which look
 *          for the last writer
 */
IPM_API int ipm_segment_info(ipm_segment *segment, ipm_info *info, ipm_error *error);

/*
 * Repair a damaged data file, as far as that needs no guess: set the header code again if other
 * software has overwritten it. This is a transaction of its own, so other processes may use the
 * segment at the same time. A file that needs no repair is not changed.
 *
 * options   as for an editor, with the data file's `path`
 * repaired  whether something was repaired
 * returns   as ipm_segment_open for an editor. IPM_ECORRUPT: the text names damage that cannot be
 *           repaired. IPM_ETIMEOUT: the lock was not free within 10 s
 */
IPM_API int ipm_segment_repair(const ipm_options *options, bool *repaired, ipm_error *error);

/*
 * Make a segment of a plain file that begins with the layout's struct, the common header included,
 * such as Python's ipmmap makes. The segment has all the values, the time stamp too, and version 0.
 * It takes the place of the file, atomically, and keeps its owner, group and mode. The caller ends
 * programs that write to the file first: what they write later is lost.
 *
 * path      the file. It has at least as many bytes as the struct, and zeros after those
 * options   `tag` or `mmap_dir`: the segment goes where they say, no file may be there, and the
 *           file at `path` stays as it is. Otherwise the file must be called <Struct>_<tag>.mmap.
 *           `lock_dir`, `max_readers` and `trust` as for a manager; the others are not used
 * returns   IPM_OK, also if the file is a segment of this layout already; IPM_ELAYOUT: it is too
 *           short, or has something after the struct; IPM_ECORRUPT: it does not start with the
 *           header code, or is a damaged segment; IPM_EINVALID: the file's name does not fit;
 *           IPM_ENOTFOUND, IPM_EPERMISSION, IPM_ENOSPACE, ...
 */
IPM_API int ipm_adopt(const ipm_layout *layout, const char *path, const ipm_options *options,
                      ipm_error *error);

typedef struct ipm_user {
    int32_t pid;
    bool alive;    /* the lock of a dead holder goes to the next process that asks for it */
    bool writes;   /* the write lock; otherwise a read lock */
    bool waits;    /* waits for the lock; otherwise holds it */
    bool next;     /* waits for the readers inside alone: all others that wait come after it */
    int64_t since; /* Unix seconds */
    int32_t tid;   /* the thread, as gettid(2) tells it; 0: not known, or dead */
} ipm_user;

#define IPM_MAX_WAITERS 64 /* listed by ipm_segment_users; more can wait */
#define IPM_MAX_USERS (1 + IPM_MAX_READERS + IPM_MAX_WAITERS)

/*
 * List the threads that hold the lock and those that wait for it, for diagnosis.
 * users    room for `capacity` entries; IPM_MAX_USERS is always enough
 * count    the number of entries stored; 0 if the handle has no lock file
 */
IPM_API int ipm_segment_users(ipm_segment *segment, ipm_user *users, size_t capacity, size_t *count,
                              ipm_error *error);

typedef struct ipm_attached {
    int32_t pid;
    ipm_role role;
    int64_t since;  /* when it was opened, in Unix seconds */
    uint64_t start; /* of the process, as ipm_info.last_writer_start */
} ipm_attached;

#define IPM_MAX_ATTACHED 160 /* listed by ipm_segment_attached; more can be open */

/*
 * List the open handles of the segment, of living processes, this one included; for diagnosis. A
 * reader that may not use the lock file is not listed, nor is a handle that was opened while
 * IPM_MAX_ATTACHED were listed. What is listed is what processes say that may write to the lock
 * file.
 * attached  room for `capacity` entries; IPM_MAX_ATTACHED is always enough
 * count     the number of entries stored; 0 if the handle has no lock file
 * returns   IPM_OK, IPM_EFORKED
 * cost      four system calls for each entry
 */
IPM_API int ipm_segment_attached(ipm_segment *segment, ipm_attached *attached, size_t capacity,
                                 size_t *count, ipm_error *error);

/*
 * What this handle's opening migrated, or NULL: nothing.
 * owner    the handle
 */
IPM_API const ipm_migration *ipm_segment_migration(const ipm_segment *segment);

/* The present time in seconds since 1970, as in the header's time stamp. */
IPM_API double ipm_time(void);

/*
 * The number of forks between the first process of the program and this one. It changes only in a
 * fork's child, before any other code runs there. A program that keeps the address of
 * ipm_segment_data can compare this number before each access, which needs no call: in the child
 * the memory is not mapped.
 * returns  an address that stays the same; NULL: there is no memory for pthread_atfork
 */
IPM_API const uintptr_t *ipm_forks(void);

/* ---- Feeds ------------------------------------------------------------------------------- */

/*
 * A feed tells a segment's commits one after the other, each with the whole struct as of that
 * commit. It needs read permission on the data file and nothing else. It delays no editor.
 *
 *      ipm_feed *feed;
 *      uint64_t version, missed;
 *      if (ipm_feed_open(segment, IPM_LATEST, &feed, &error) != IPM_OK)
 *          die(error.text);
 *      while (ipm_feed_next(feed, IPM_FOREVER, &version, &missed, &error) == IPM_OK)
 *          use(ipm_feed_value(feed), version);
 *      ipm_feed_close(feed);
 *
 * With the option `feed`, a new segment has a ring of that many bytes in its data file, rounded up
 * to whole pages of 4096. Each commit leaves there what it changed: 40 bytes, and 8 for each word
 * of 8 bytes that differs, and 8 more for each further block of 256 bytes. The oldest commits make
 * room for it. Opening fails with IPM_EINVALID if the ring cannot hold a change of the whole
 * struct; the text names the number of bytes which that needs. A segment that exists keeps its
 * ring, also with `force` if the layout is the same.
 *
 * A feed that is slower than the editors misses the commits that have left the ring, and says how
 * many they were. Versions that a replica skips count as missed, too. A feed of a segment without a
 * ring always gives the latest commit, and counts the ones before it as missed.
 */
typedef struct ipm_feed ipm_feed;

#define IPM_LATEST UINT64_MAX /* the version at the moment of the call */

/*
 * Open a feed of the commits after `version`, which may be IPM_LATEST. The ring may not have all of
 * them any more: then the first call of ipm_feed_next says how many are missed.
 *
 * segment  the feed uses this handle. Close the feed before the handle. Several feeds may use it
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_ESYSTEM (no memory); IPM_EINVALID: there is no such
 *          version yet
 * memory   up to three times the size of the struct. No later call allocates
 * threads  one thread at a time uses a handle and its feeds
 * owner    the caller
 */
IPM_API int ipm_feed_open(ipm_segment *segment, uint64_t version, ipm_feed **feed,
                          ipm_error *error);

/* NULL is allowed. A fork's child may close a feed of its parent. */
IPM_API void ipm_feed_close(ipm_feed *feed);

/*
 * Go on to the next commit that can be told. Sleeps until there is one, as ipm_segment_wait does:
 * with the same timeouts, the same signals, and ended by ipm_segment_interrupt in the same way. If
 * it fails, the feed stays at its commit. Commits of a segment that was replaced or destroyed are
 * told first, as far as the feed can read them; after that it fails with IPM_EREPLACED.
 *
 * If the handle follows (the option `follow`), the feed goes on with the new segment. After a
 * migration the versions go on. Otherwise they begin again, and the feed tells the new segment's
 * commits from version 1 on. If the layout may be another one, the feed fails with IPM_EREPLACED
 * instead: with IPM_BY_PATH, and with IPM_SAME_OFFSETS if the size is another one. Then open a new
 * feed. When the handle follows, the timeout begins again.
 *
 * version  of the commit; may be NULL
 * missed   how many commits before it were lost since the one told before; may be NULL
 * returns  as ipm_segment_wait; IPM_ECORRUPT: the file said that there is a later commit, and there
 *          is none, so it is damaged. The feed can be used further
 */
IPM_API int ipm_feed_next(ipm_feed *feed, int64_t timeout_ns, uint64_t *version, uint64_t *missed,
                          ipm_error *error);

/*
 * The struct as of the commit that was told last; before the first one, as of the version at which
 * the feed starts. The address stays the same until the feed is closed; the next call of
 * ipm_feed_next changes the bytes. Never write to it.
 */
IPM_API const void *ipm_feed_value(const ipm_feed *feed);

/*
 * When the commit that was told last was made, in seconds since 1970, to within a tick of the
 * kernel's clock (1 to 10 ms). 0: not known, because the segment has no ring, or the commit has
 * left it; or no commit was told yet.
 */
IPM_API double ipm_feed_time(const ipm_feed *feed);

/*
 * Find the next range of bytes that the last call of ipm_feed_next changed in the feed's value. If
 * it missed no commit, those are the bytes that the commit changed.
 * returns  false: there are no more
 */
IPM_API bool ipm_feed_changes(const ipm_feed *feed, ipm_range *range);

/* ---- Segments on several machines -------------------------------------------------------- */

/*
 * A segment can be shared by several machines. One of them is its home: there, editors write. The
 * others have replicas: files of the same layout, which readers open as ever. A program on each
 * machine, with the option `shares`, carries the commits: at home it follows a feed and sends
 * patches; elsewhere it applies them. The library knows nothing of how they travel.
 *
 * The home is home for a time. Its file has a deadline, which that program moves on as long as it
 * knows that no other machine became the home. An editor or a manager looks at it when it takes the
 * lock and again before it commits. On a replica, and when the deadline has passed, it gets
 * IPM_ENOTHOME, and what it changed is rolled back. So do ipm_segment_write and all other calls
 * that change a segment. After a reboot, and in a process of another time namespace, the deadline
 * counts as passed. For a segment that is not shared, all this costs a load. A handle with `shares`
 * does all this anywhere, except for ipm_segment_edit.
 */
typedef enum ipm_place { IPM_UNSHARED, IPM_HOME, IPM_REPLICA } ipm_place;

typedef struct ipm_share {
    ipm_place place;
    int64_t deadline; /* IPM_HOME: in nanoseconds of CLOCK_BOOTTIME; above 1. ipm_segment_share says
                         0 if it is of another boot or time namespace. Otherwise 0 */
    uint64_t epoch;   /* of the home whose commits the segment has; 0: not known */
    uint64_t ahead;   /* the segment's own version minus the version of the same state at home */
    uint64_t token;   /* IPM_HOME: of the lease; for the program that renews it. Otherwise
                         ipm_segment_share says 0 */
} ipm_share;

/*
 * Say what a segment is. All zeros: it was never shared. Any role may ask; no lock is taken.
 * returns  IPM_EREPLACED, IPM_EFORKED
 */
IPM_API int ipm_segment_share(ipm_segment *segment, ipm_share *share, ipm_error *error);

/*
 * Make a segment a home or a replica, or unshared again. This takes effect at once, and a rollback
 * does not undo it. If the process dies meanwhile, the file says what it said before, but that
 * nobody may write, or what it was to say.
 *
 * segment  has the option `shares`. It holds its lock; but that may be free where only the deadline
 *          of a home moves: with the same epoch, ahead and token, in the same boot and time
 *          namespace
 * returns  IPM_EREPLACED, IPM_EFORKED; IPM_ESYSTEM: a home, where /proc does not say which boot
 *          this is; IPM_EINVALID
 */
IPM_API int ipm_segment_set_share(ipm_segment *segment, const ipm_share *share, ipm_error *error);

/* The present time of CLOCK_BOOTTIME in nanoseconds, which also grows while the machine sleeps. */
IPM_API int64_t ipm_boottime(void);

/*
 * A patch is a sequence of runs, one after the other without padding: the offset as a uint64_t, the
 * size, above 0, as a uint32_t, both with the least byte first, and so many bytes. The runs are in
 * ascending order, lie inside the struct, and do not overlap.
 */
#define IPM_RUN_HEADER 12

/*
 * Store what the last call of ipm_feed_next changed in the feed's value, as a patch. Runs with a
 * gap of at most 16 bytes are one run. The patch leads from the value that was told before to this
 * one, also where commits were missed.
 *
 * into     room for `room` bytes; NULL if that is 0
 * returns  the size of the patch. If it is above `room`, `into` has no patch: call again
 */
IPM_API size_t ipm_feed_patch(const ipm_feed *feed, void *into, size_t room);

/*
 * Commit what another machine has committed: store a patch, of the common header too. It is a
 * transaction of its own; or, if the handle holds its lock, the lock's transaction, of which this
 * is the first change. An empty patch is a commit, too.
 *
 * segment  has the option `shares`
 * version  of the segment after the commit: above the present one, and below 2^62. Those between
 *          them are skipped, and feeds count them as missed. In a file in which transactions that
 *          skipped as many versions were rolled back, the limit is lower
 * time_ns  when the commit was made, in nanoseconds since 1970; 0: now
 * returns  as lock and unlock. IPM_ECORRUPT: the patch is none, or what it touches would not be a
 *          value of its type: a bool is neither 0 nor 1, there are bytes after the NUL that ends a
 *          text, a list has more elements than fit, or the header code is another one; the text
 *          names it. IPM_EINVALID: the version, or the transaction has other changes already. With
 *          both, nothing is changed, and a lock that was held is still held
 */
IPM_API int ipm_segment_apply(ipm_segment *segment, const void *patch, size_t size,
                              uint64_t version, int64_t time_ns, ipm_error *error);

/*
 * Change a segment for a program on another machine: if the bytes are those of one patch, store
 * those of another one. It is a transaction of its own; or, if the handle holds its lock, a part of
 * the lock's transaction. Limits hold as in ipm_type_check, for what is changed.
 *
 * segment   has the option `shares`, and is the home; its deadline counts as for an editor
 * expected  a patch, which may be empty
 * patch     a patch that leaves the common header as it is
 * applied   false: the bytes are other ones than `expected`, and nothing is changed
 * returns   as lock and unlock; IPM_ENOTHOME; IPM_ECORRUPT: one of the patches is none, or what is
 *           changed would be no value of its type or outside its limits. With all of them, nothing
 *           is changed
 */
IPM_API int ipm_segment_edit(ipm_segment *segment, const void *expected, size_t expected_size,
                             const void *patch, size_t size, bool *applied, ipm_error *error);

/* ---- Lua --------------------------------------------------------------------------------- */

/*
 * Opens the Lua module, which includes its Lua files, in a host that embeds Lua 5.4 or 5.5 and has
 * opened Lua's package library: luaL_requiref(L, "ipmmap", luaopen_ipmmap, 0). It is in
 * libipmmap_lua.a and in the amalgamation if IPM_LUA is defined, but not in libipmmap.
 */
struct lua_State;
IPM_API int luaopen_ipmmap(struct lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
