/*
 * ipmmap - typed shared memory between independent processes.
 *
 * A layout says how a struct lies in memory. A segment is one such struct in a memory-mapped
 * file that any number of processes open by name, in one of three roles, and work on under a
 * reader-writer lock that survives the death of whoever holds it.
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
 *  - returns IPM_OK or another ipm_code; on failure everything is as it was before the call;
 *  - detail goes to *error, which may be NULL; nothing is printed, and errno means nothing;
 *  - sizes and offsets are in bytes, times in nanoseconds (CLOCK_MONOTONIC) unless said;
 *  - a segment handle is for one thread at a time, and the thread that locked it must unlock it;
 *    several threads open several handles. A layout is immutable and may be shared by threads;
 *  - a handle is of no use in a fork's child: every call on it there gives IPM_EFORKED;
 *  - a signal handler may call ipm_segment_interrupt, ipm_version and ipm_code_name, and nothing
 *    else. It must not leave a function here by siglongjmp, nor be left by a C++ exception: the
 *    lock could stay taken, with a handle that does not know. Signals are not blocked or ignored,
 *    and no handlers are installed.
 */
#ifndef IPMMAP_H
#define IPMMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <type_traits>
extern "C" {
#endif

#define IPM_VERSION "0.1.0" /* https://semver.org: until 1.0.0 a minor version may break */

#define IPM_API __attribute__((visibility("default")))

/* The IPM_VERSION of the library that runs, which may be another than that of the header. */
IPM_API const char *ipm_version(void);

/* ---- Errors ------------------------------------------------------------------------------ */

typedef enum ipm_code {
    IPM_OK = 0,
    IPM_ENOTFOUND,     /* no such segment */
    IPM_ELAYOUT,       /* the file holds another layout; the text names the first difference */
    IPM_ECORRUPT,      /* not a segment, or a damaged one */
    IPM_EPERMISSION,   /* refused by the operating system; or a file with several names */
    IPM_ENOSPACE,      /* no room on the disk, in the quota, or within RLIMIT_FSIZE */
    IPM_ESYSTEM,       /* any other refusal of the operating system */
    IPM_ETIMEOUT,      /* not within the time given */
    IPM_EDEADLOCK,     /* this thread holds a lock on the segment through another handle */
    IPM_EINCOMPATIBLE, /* the lock file is in use by another libc, architecture or pid namespace */
    IPM_EREPLACED,     /* the segment was replaced, destroyed or removed since it was opened */
    IPM_EFORKED,       /* the handle was opened by the parent, before a fork */
    IPM_EINTERRUPTED,  /* a signal handler, or ipm_segment_interrupt, ended a wait */
    IPM_EINVALID       /* the caller's bug: the text says which */
} ipm_code;

typedef struct ipm_error {
    ipm_code code;
    int system; /* the errno behind it, or 0 */
    char text[512];
} ipm_error;

/* "not_found", "layout", ...: the name that the documentation uses. Never NULL. */
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
    IPM_CHAR,  /* text of at most `size` bytes, zero-filled */
    IPM_ARRAY, /* `count` elements of type `element` */
    IPM_STRUCT /* `count` fields */
} ipm_kind;

typedef struct ipm_type ipm_type;
typedef struct ipm_field ipm_field;

/* A type, owned by its layout and alive as long as that. */
struct ipm_type {
    ipm_kind kind;
    uint32_t align;
    uint64_t size;
    uint64_t count;
    const char *name;        /* as it is written: "int32", "char[256]", "Point2D[24]", "Point2D" */
    const ipm_type *element; /* IPM_ARRAY */
    const ipm_field *fields; /* IPM_STRUCT: in memory order, the parent's first */
    const ipm_type *parent;  /* IPM_STRUCT: the struct that it extends, or NULL */
};

struct ipm_field {
    const char *name;
    const ipm_type *type;
    uint64_t offset; /* from the start of the struct */
};

typedef struct ipm_layout ipm_layout;

/* The base of all that can be shared, as schema text: put it before your own structs. */
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
 * The largest struct, the deepest nesting of structs and arrays together (a parent counts like a
 * member), the longest name, the longest schema text, also when written canonically, and the
 * most fields of all its structs together (a parent's count again in each child).
 */
#define IPM_MAX_SIZE (UINT64_C(1) << 40)
#define IPM_MAX_DEPTH 64
#define IPM_MAX_NAME 63
#define IPM_MAX_TEXT (1 << 20)
#define IPM_MAX_FIELDS (1 << 18)

/*
 * Read schema text. The last struct in it is the layout's own; the others are those it is made of.
 *
 *      schema = { struct }
 *      struct = "struct" name [ ":" parent ] "{" { field } "}"
 *      field  = name ":" type [ ";" ]
 *      type   = name { "[" count "]" }
 *
 * White space separates. A struct is declared before it is used. Layout is natural C alignment;
 * a child's own fields start at its parent's size. "_Bool" is read as "bool".
 *
 * returns  IPM_EINVALID (with the line), IPM_ESYSTEM (no memory)
 * owner    the caller, who frees it after the last segment that was opened with it
 */
IPM_API int ipm_layout_parse(const char *text, size_t length, ipm_layout **layout,
                             ipm_error *error);
IPM_API void ipm_layout_free(ipm_layout *layout);

/* The layout's own struct. */
IPM_API const ipm_type *ipm_layout_type(const ipm_layout *layout);

/* The canonical schema text (parsing it gives the same layout and the same text), with a NUL. */
IPM_API const char *ipm_layout_text(const ipm_layout *layout, size_t *length);

/*
 * The layout that the data file at `path` describes, whatever it is.
 * returns  IPM_ENOTFOUND, IPM_ECORRUPT, IPM_EPERMISSION, IPM_ESYSTEM
 * owner    the caller
 */
IPM_API int ipm_layout_load(const char *path, ipm_layout **layout, ipm_error *error);

/* Whether the struct descends from BaseMmapStructure, and so can be shared. */
IPM_API bool ipm_type_is_shared(const ipm_type *type);

/* Whether two types, of any two layouts, lie in memory alike under the same names. */
IPM_API bool ipm_type_equal(const ipm_type *a, const ipm_type *b);

/*
 * Find a part by its path, "pts[3].x": names after dots, indices from 1 in brackets.
 * returns  IPM_EINVALID: the text names the struct, the path and what is wrong with it
 */
IPM_API int ipm_type_find(const ipm_type *type, const char *path, size_t length,
                          const ipm_type **found, uint64_t *offset, ipm_error *error);

/* The field of that name, or NULL. */
IPM_API const ipm_field *ipm_type_field(const ipm_type *type, const char *name, size_t length);

/* ---- Layouts from C structs -------------------------------------------------------------- */

/*
 * A definition as a table of the fields of a struct that the host has, checked by the compiler:
 * each member's C type, sizeof and offsetof, and the size of the whole.
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
 * Types are those of schema text; a count in brackets is a decimal number or a macro for one, as
 * its text goes into the schema. The compiler refuses all else, such as a constexpr, an
 * enumeration's constant or 4 * 6. (What clang, in C, overlooks of these is refused when the schema
 * is parsed.) A member's C type is the one that stands in the list below, or the typedef of a
 * struct that was described before; C's long long, enumerations, pointers and bit-fields are none
 * of them.
 *
 * IPM_STRUCT  checks a plain struct, which others have as a member. At file scope, once
 * IPM_SHARED  checks a struct that starts with `ipm_header header` and can be shared, and defines
 *             `static const char <struct>_schema[]`; `parts` is the IPM_TEXT of the structs that
 *             it is made of, each after those it is made of itself, or "". At file scope
 * IPM_TEXT    a described struct's schema text, a string literal
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

/* The common header, the first member of all that can be shared. Set only by creation, touch and
 * clear. */
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
#ifdef __clang__ /* whose constant expressions know few functions */
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

/* The struct as its table has it, beside the struct as the host has it. */
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
    IPM_MANAGER /* all that an editor may, and create, reset, destroy */
} ipm_role;

#define IPM_FOREVER INT64_MAX
#define IPM_MAX_READERS 128
#define IPM_MAX_LOCKS 2000 /* that one thread holds at a time: see ipm_segment_lock */
#define IPM_MAX_TAG 128

/*
 * How to open a segment. Zero is the default of every member, so name those that you set:
 *
 *      ipm_options options = {.own_size = sizeof options, .create = true};
 *
 * own_size  tells a library of another version which members there are. Those that the caller does
 *           not have are at their default; one that the library does not have must be zero, or
 *           opening says IPM_EINVALID. 0 is the size of the first version, up to and with `mlock`
 * path      of the data file, which ends in <Struct>_<tag>.mmap, instead of tag and mmap_dir: for
 *           tools that have a file. Its layout is had by ipm_layout_load
 */
typedef struct ipm_options {
    size_t own_size;       /* sizeof(ipm_options) */
    const char *tag;       /* NULL or "": none; letters, digits, '.', '_', '-', and no ".." */
    const char *mmap_dir;  /* NULL: "./.mmap" */
    const char *lock_dir;  /* NULL: the directory of the data file */
    const char *path;      /* NULL: made of mmap_dir, the struct's name and the tag */
    bool create;           /* manager: make the segment if there is none */
    bool force;            /* manager, with create: start afresh */
    uint32_t mode;         /* manager: permission bits of both files; 0: 0600 */
    uint32_t max_readers;  /* manager: 1 to IPM_MAX_READERS; 0: IPM_MAX_READERS */
    bool prefault;         /* touch each page at opening, so that later use takes no page fault */
    bool mlock;            /* keep all pages in memory; includes prefault. See RLIMIT_MEMLOCK */
    const uint32_t *trust; /* user ids whose files are used wherever they lie, see below */
    size_t trust_count;    /* how many */
} ipm_options;

/*
 * In a directory that everybody may write to, such as /tmp or /dev/shm, anybody can put a file in
 * the place of a segment's. A file there is used only if it belongs to this process's effective
 * user, to the directory's owner, to the owner of the data file (the lock file), or to a user in
 * `trust`; otherwise opening says IPM_EPERMISSION. A manager that creates also wants the directory
 * itself to belong to its user, to root or to a user in `trust`, and to have the sticky bit if
 * everybody may write to it. IPM_ANYONE in `trust` stands for all users: for directories that are
 * shared on purpose.
 */
#define IPM_ANYONE UINT32_MAX

typedef struct ipm_segment ipm_segment;

/*
 * Open a segment, or as a manager create it. The files are <Struct>_<tag>.mmap and .lock. A reader
 * that cannot use the lock file (IPM_EPERMISSION, IPM_ENOSPACE, IPM_EINCOMPATIBLE) opens all the
 * same: it has all lock-free reads, and ipm_segment_lock gives that code.
 *
 * layout   copied from: it must outlive the handle
 * options  NULL: the defaults
 * returns  any code from IPM_ENOTFOUND to IPM_EINCOMPATIBLE, or IPM_EINVALID
 * waits    for other processes that are just then opening, creating or destroying the same segment,
 *          at most 10 s in all; then IPM_ETIMEOUT, with the byte of the lock file that one of them
 *          holds. A reader is open then, for lock-free reads. With `force`, if a segment of the
 *          layout is there, as long again for whoever holds its lock; then IPM_ETIMEOUT as well,
 *          and the segment is as it was
 */
IPM_API int ipm_segment_open(ipm_role role, const ipm_layout *layout, const ipm_options *options,
                             ipm_segment **segment, ipm_error *error);

/*
 * Close a handle: an editor that holds its lock rolls back. NULL is allowed.
 * returns  IPM_OK, or IPM_EINVALID when another thread holds its lock: then nothing is done
 */
IPM_API int ipm_segment_close(ipm_segment *segment, ipm_error *error);

/*
 * Take the role's lock: for writing (editor, manager) or for reading (reader).
 *
 * timeout_ns  0 tries once, IPM_FOREVER waits
 * returns     IPM_ETIMEOUT, IPM_EDEADLOCK, IPM_EREPLACED, IPM_EINCOMPATIBLE, IPM_EPERMISSION or
 *             IPM_ENOSPACE (a reader that may not write to the lock file, or that has no room for
 *             it), IPM_EFORKED; IPM_EINTERRUPTED (ipm_segment_interrupt);
 *             IPM_ESYSTEM: this thread holds IPM_MAX_LOCKS locks, of any segments, and of more the
 *             kernel would not release all if the thread died (it counts the robust mutexes of
 *             other libraries as well: 40 are left for them); or libc has no room for the first
 *             lock of a thread (pthread_key_create, pthread_setspecific);
 *             IPM_EINVALID if this handle is locked already
 * order       first come, first served among those that wait; one that does not have to wait may
 *             overtake them for half a millisecond. A try does not wait, and overtakes nobody
 *             whose time is over
 * threads     a thread that ends while it holds the lock, other than by a bare exit system call,
 *             rolls back and releases it then
 * signals     do not end the wait, but for a handler that calls ipm_segment_interrupt. A handler
 *             must not leave this or any other call by longjmp or siglongjmp: what the call has
 *             locked by then, of the lock or of the queue for it, would stay locked until the
 *             thread ends. The lock itself may be held across a longjmp that stays in its thread
 * never       allocates
 */
IPM_API int ipm_segment_lock(ipm_segment *segment, int64_t timeout_ns, ipm_error *error);

/*
 * Release the lock; what an editor changed is committed, as one transaction.
 * returns  IPM_EREPLACED: released, but the segment was replaced or destroyed meanwhile, and
 *          what was committed is seen by none; IPM_EINVALID: not locked, or by another thread, or
 *          released when the thread that had locked it ended (the text says which)
 */
IPM_API int ipm_segment_unlock(ipm_segment *segment, ipm_error *error);

/* Undo everything since the lock was taken, and release it. Errors as for unlock. */
IPM_API int ipm_segment_rollback(ipm_segment *segment, ipm_error *error);

/* Whether the handle holds its lock. */
IPM_API bool ipm_segment_is_locked(const ipm_segment *segment);

/*
 * The struct, while the handle holds its lock; NULL otherwise. The address is good until the
 * lock is released, and may differ at the next one. Never write through it: see change.
 */
IPM_API const void *ipm_segment_data(const ipm_segment *segment);

/*
 * Make `size` bytes at `offset` ready to be changed in the transaction, and return their address,
 * good until the lock is released. Only what was made ready may be changed.
 *
 * returns  NULL if this is a reader, no lock is held, or the range is outside the struct
 * cost     the first change to each block of 256 bytes in a transaction saves the block
 */
IPM_API void *ipm_segment_change(ipm_segment *segment, uint64_t offset, uint64_t size);

/*
 * Copy `size` bytes at `offset`, consistent with each other. Within the handle's own lock: what
 * the lock sees. Outside: as last committed; see ipm_segment_snapshot.
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_EINVALID (range)
 */
IPM_API int ipm_segment_read(ipm_segment *segment, uint64_t offset, uint64_t size, void *into,
                             ipm_error *error);

/*
 * Change `size` bytes at `offset`. Within the handle's own lock: as part of its transaction.
 * Outside: as one of its own, which waits for the lock. The common header is left as it is,
 * whatever `from` has in its place, so that a whole struct can be written back.
 * errors   as for lock and unlock; IPM_EINVALID for a reader, or a range outside the struct
 */
IPM_API int ipm_segment_write(ipm_segment *segment, uint64_t offset, uint64_t size,
                              const void *from, ipm_error *error);

/*
 * Where a member of a C struct is, as the two arguments `offset, size`:
 *
 *      ipm_segment_read(segment, IPM_AT(Game, score), &score, &error);
 *      double *x = ipm_segment_change(segment, IPM_AT(Game, at[3].x));
 */
#define IPM_AT(type, member) offsetof(type, member), sizeof(IPM_OF_(type, member))

/*
 * Copy the whole struct as last committed, even within the own lock, without waiting for a writer
 * that is busy, stopped or dead. Beside writers that commit faster than it can copy what they
 * change, it takes the read lock for that, which it waits for only after many vain tries, at most
 * 100 ms at a time; a handle without a lock file then has no bound on its turns.
 * version  the commit that it shows; may be NULL
 */
IPM_API int ipm_segment_snapshot(ipm_segment *segment, void *into, uint64_t *version,
                                 ipm_error *error);

/* The number of commits since the segment was created. */
IPM_API int ipm_segment_version(ipm_segment *segment, uint64_t *version, ipm_error *error);

/*
 * Sleep until there is a commit after `version`; at once if there was one.
 * now      the version then
 * returns  IPM_ETIMEOUT, IPM_EREPLACED, IPM_EFORKED, IPM_EINTERRUPTED;
 *          IPM_EINVALID if it would sleep while the handle holds its lock
 * signals  a handler that runs while it sleeps ends the wait, one that runs just before does not,
 *          unless it calls ipm_segment_interrupt
 */
IPM_API int ipm_segment_wait(ipm_segment *segment, uint64_t version, int64_t timeout_ns,
                             uint64_t *now, ipm_error *error);

/*
 * End a wait: the one for a commit or for the lock that is under way through this handle, or else
 * the next one, which then says IPM_EINTERRUPTED in place of sleeping. So a signal is not missed,
 * whenever it comes, by a handler such as
 *
 *      static ipm_segment *_Atomic segment;
 *      static void on_interrupt(int signal) {
 *          quit = 1;
 *          ipm_segment_interrupt(segment);
 *      }
 *
 * A wait for a commit ends at once, one for the lock within 100 ms. What needs no wait succeeds,
 * and several calls before a wait count as one. After IPM_EINTERRUPTED look at what the handler has
 * set, and wait again if it was nothing.
 *
 * segment  NULL is allowed, and so is a handle of the parent, before a fork: nothing happens. Not
 *          one that is closed, or is just being closed
 * threads  any, in a signal handler or not; errno is kept
 */
IPM_API void ipm_segment_interrupt(ipm_segment *segment);

/*
 * A file descriptor that polls readable after each commit, and once the segment is replaced or
 * destroyed: for an event loop. ipm_segment_drain makes it quiet again and gives the version;
 * without it a commit costs an editor one system call only until the descriptor is readable. A
 * reader that may not write to the lock file gets one that is readable every 10 ms. It is also
 * readable a second after the last ipm_segment_drain, commit or not: an editor may die, or change
 * its user, between a commit and telling of it. Commits before the first call are not told: look at
 * the segment after it.
 *
 * owner    the handle, whose closing closes it; nothing else may be done with it than to poll it
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_ESYSTEM (no more inotify instances or watches, or
 *          descriptors: the text names the limit)
 */
IPM_API int ipm_segment_fd(ipm_segment *segment, int *fd, ipm_error *error);
IPM_API int ipm_segment_drain(ipm_segment *segment, uint64_t *version, ipm_error *error);

/*
 * Set the header's time stamp to now (touch), or zero all but the header's code (clear): within
 * the handle's lock as part of its transaction, outside it as one of its own, which waits for
 * the lock. Errors as for lock and unlock; IPM_EINVALID for a reader.
 */
IPM_API int ipm_segment_touch(ipm_segment *segment, ipm_error *error);
IPM_API int ipm_segment_clear(ipm_segment *segment, ipm_error *error);

/*
 * Return when the data is on disk (msync).
 * returns  IPM_EREPLACED, IPM_EFORKED, IPM_ENOSPACE, IPM_ESYSTEM; IPM_EINVALID for a reader
 */
IPM_API int ipm_segment_flush(ipm_segment *segment, ipm_error *error);

/*
 * Remove both files. This handle and those elsewhere then say IPM_EREPLACED; those who wait are
 * woken. A lock held through this handle is rolled back and released first. Waits for another
 * manager that is just then creating or destroying the segment, at most 10 s: IPM_ETIMEOUT.
 * IPM_EINVALID for any other than a manager.
 */
IPM_API int ipm_segment_destroy(ipm_segment *segment, ipm_error *error);

/*
 * What is known of a segment. `own_size` is set by the caller, as in ipm_options, and says
 * afterwards how many bytes were filled in: fewer by an older library.
 */
typedef struct ipm_info {
    size_t own_size;       /* sizeof(ipm_info); 0 is the size of the first version */
    const char *path;      /* of the data file; the three strings live as long as the handle */
    const char *lock_path; /* of the lock file */
    const char *tag;
    uint64_t size;        /* of the struct */
    uint64_t version;     /* commits */
    bool pending;         /* a writer died in a transaction, which the next one will undo */
    uint64_t recoveries;  /* transactions rolled back because their writer died */
    uint32_t max_readers; /* slots */
    uint32_t readers;     /* living processes' read locks held just now */
    int32_t writer_pid;   /* who holds the write lock just now, or 0 */
    bool writable;        /* the role may write */
    bool lockable;        /* false: lock-free reads only */
    bool replaced;        /* replaced, destroyed or removed: what is told is the last of it */
} ipm_info;

/*
 * Fill in *info; who holds locks is as of just now, for diagnosis.
 * returns  IPM_EFORKED, IPM_EINVALID (own_size); not IPM_EREPLACED: see `replaced`
 * cost     a system call, which looks whether the file still has its name
 */
IPM_API int ipm_segment_info(ipm_segment *segment, ipm_info *info, ipm_error *error);

/*
 * Repair a data file that is IPM_ECORRUPT as far as that needs no guess: a header code that
 * something else has overwritten is set again, in a transaction of its own, so that others may be
 * using the segment meanwhile. A file that needs no repair is left as it is.
 *
 * options   as for an editor, with `path`, the data file's
 * repaired  whether there was something to repair, and it was
 * returns   as ipm_segment_open for an editor: IPM_ECORRUPT says what is damaged and stays so;
 *           IPM_ETIMEOUT: the lock was not free within 10 s
 */
IPM_API int ipm_segment_repair(const ipm_options *options, bool *repaired, ipm_error *error);

typedef struct ipm_user {
    int32_t pid;
    bool alive;    /* a dead holder's lock goes to the next who asks for it */
    bool writes;   /* the write lock, or a read lock */
    bool waits;    /* for the lock; otherwise holds it */
    int64_t since; /* Unix seconds */
} ipm_user;

#define IPM_MAX_WAITERS 64 /* that ipm_segment_users knows of */
#define IPM_MAX_USERS (1 + IPM_MAX_READERS + IPM_MAX_WAITERS)

/*
 * Who holds the lock and who waits for it just now, for diagnosis.
 * users    room for `capacity`; IPM_MAX_USERS is enough for all
 * count    how many were stored; none where the handle has no lock file
 */
IPM_API int ipm_segment_users(ipm_segment *segment, ipm_user *users, size_t capacity, size_t *count,
                              ipm_error *error);

/* Seconds since 1970, as in the header's time stamp. */
IPM_API double ipm_time(void);

/* ---- Lua --------------------------------------------------------------------------------- */

/*
 * The Lua module, with its Lua files inside, for a host that embeds Lua 5.4 and has opened Lua's
 * package library: luaL_requiref(L, "ipmmap", luaopen_ipmmap, 0).
 * In libipmmap_lua.a, and in the amalgamation compiled with IPM_LUA defined; not in libipmmap.
 */
struct lua_State;
IPM_API int luaopen_ipmmap(struct lua_State *L);

#ifdef __cplusplus
}
#endif
#endif
