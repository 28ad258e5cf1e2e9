/*
 * Tests in C that report in TAP, the Test Anything Protocol.
 *
 *      static void rejects_a_field_of_size_zero(void)
 *      {
 *          if (!CHECK(layout != NULL))
 *              return;
 *          CHECK_INT(code, IPM_EINVALID);
 *      }
 *
 *      int main(void)
 *      {
 *          run("rejects a field of size zero", rejects_a_field_of_size_zero);
 *          return done();
 *      }
 *
 * A check that fails prints where and why, makes its test fail, and returns false. The test goes
 * on. SKIP("why") ends a test that cannot run here. Checks in a forked child do not count, so the
 * child must report by its exit status.
 */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) tap_check((condition), #condition, __FILE__, __LINE__)
#define CHECK_INT(actual, expected)                                                                \
    tap_check_int((intmax_t)(actual), (intmax_t)(expected), #actual, __FILE__, __LINE__)
#define CHECK_STR(actual, expected) tap_check_str((actual), (expected), #actual, __FILE__, __LINE__)
#define SKIP(why)                                                                                  \
    do {                                                                                           \
        tap.skipped = (why);                                                                       \
        return;                                                                                    \
    } while (0)

static struct {
    int tests, failed;
    bool bad; /* a check of the running test has failed */
    const char *skipped;
} tap;

static inline bool tap_check(bool good, const char *what, const char *file, int line) {
    if (!good) {
        tap.bad = true;
        printf("# %s:%d: not so: %s\n", file, line, what);
    }
    return good;
}

static inline bool tap_check_int(intmax_t actual, intmax_t expected, const char *what,
                                 const char *file, int line) {
    if (actual != expected) {
        tap.bad = true;
        printf("# %s:%d: %s is %jd, expected %jd\n", file, line, what, actual, expected);
    }
    return actual == expected;
}

static inline void tap_print(const char *label, const char *text) {
    printf("#   %-8s ", label);
    for (const char *c = text ? text : "NULL"; *c; c++)
        if (*c == '\n')
            printf("\n#            ");
        else
            putchar(*c);
    printf("\n");
}

static inline bool tap_check_str(const char *actual, const char *expected, const char *what,
                                 const char *file, int line) {
    bool good = actual == expected || (actual && expected && strcmp(actual, expected) == 0);
    if (!good) {
        tap.bad = true;
        printf("# %s:%d: %s\n", file, line, what);
        tap_print("is", actual);
        tap_print("expected", expected);
    }
    return good;
}

/* Run one test and print its line at once, so that a crash shows which test it interrupted. */
static inline void run(const char *behaviour, void (*test)(void)) {
    setvbuf(stdout, NULL, _IOLBF, BUFSIZ);
    tap.bad = false;
    tap.skipped = NULL;
    test();
    tap.failed += tap.bad;
    bool skipped = tap.skipped && !tap.bad;
    printf("%sok %d - %s%s%s\n", tap.bad ? "not " : "", ++tap.tests, behaviour,
           skipped ? " # SKIP " : "", skipped ? tap.skipped : "");
}

/* Print the plan. returns  the exit status for main */
static inline int done(void) {
    printf("1..%d\n", tap.tests);
    return tap.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
