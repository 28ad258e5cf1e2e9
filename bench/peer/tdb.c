/* Samba's tdb with robust mutexes and without syncing: store 688 bytes, fetch them. */
#include "../measure.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <tdb.h>

static unsigned char value[DEMO_SIZE];

static TDB_DATA key(void) {
    static unsigned char name[] = "demo";
    return (TDB_DATA){name, sizeof name};
}

static void store(void *with, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        memcpy(value + 16, &i, 4);
        if (tdb_store(with, key(), (TDB_DATA){value, sizeof value}, TDB_REPLACE) != 0)
            die("tdb_store");
    }
}

static int copy(TDB_DATA name, TDB_DATA data, void *into) {
    (void)name;
    memcpy(into, data.dptr, data.dsize);
    return 0;
}

static void fetch(void *with, uint64_t count) {
    static unsigned char into[DEMO_SIZE];
    for (uint64_t i = 0; i < count; i++)
        tdb_parse_record(with, key(), copy, into);
}

int main(void) {
    struct tdb_context *tdb =
        tdb_open(place("tdb"), 0, TDB_CLEAR_IF_FIRST | TDB_MUTEX_LOCKING | TDB_INCOMPATIBLE_HASH,
                 O_RDWR | O_CREAT, 0600);
    if (tdb == NULL)
        die("tdb_open");
    print("tdb.write", measure(store, tdb));
    print("tdb.read", measure(fetch, tdb));
}
