/*
 * LMDB without syncing: a write transaction that puts 688 bytes, and a read transaction that gets
 * and copies them (renewed, which is LMDB's fastest way). The write transaction is also measured
 * with data written through the mapping, where a stray pointer of the program can damage them.
 */
#include "../measure.h"

#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static MDB_env *environment;
static MDB_dbi database;
static MDB_txn *reading;
static unsigned char value[DEMO_SIZE];

static void must(int rc) {
    if (rc == 0)
        return;
    fprintf(stderr, "%s\n", mdb_strerror(rc));
    exit(1);
}

static MDB_val key(void) {
    static char name[] = "demo";
    return (MDB_val){sizeof name, name};
}

static void put(void *with, uint64_t count) {
    (void)with;
    for (uint64_t i = 0; i < count; i++) {
        MDB_txn *transaction;
        MDB_val name = key();
        MDB_val data = {sizeof value, value};
        memcpy(value + 16, &i, 4);
        must(mdb_txn_begin(environment, NULL, 0, &transaction));
        must(mdb_put(transaction, database, &name, &data, 0));
        must(mdb_txn_commit(transaction));
    }
}

static void get(void *with, uint64_t count) {
    static unsigned char copy[DEMO_SIZE];
    (void)with;
    for (uint64_t i = 0; i < count; i++) {
        MDB_val name = key();
        MDB_val data;
        must(mdb_txn_renew(reading));
        must(mdb_get(reading, database, &name, &data));
        memcpy(copy, data.mv_data, data.mv_size);
        mdb_txn_reset(reading);
    }
}

static void open_environment(const char *dir, unsigned flags) {
    MDB_txn *transaction;
    mkdir(dir, 0700);
    must(mdb_env_create(&environment));
    must(mdb_env_open(environment, dir, MDB_NOSYNC | flags, 0600));
    must(mdb_txn_begin(environment, NULL, 0, &transaction));
    must(mdb_dbi_open(transaction, NULL, 0, &database));
    must(mdb_txn_commit(transaction));
}

int main(void) {
    open_environment(place("lmdb_writemap"), MDB_WRITEMAP);
    print("lmdb.write", measure(put, NULL));
    open_environment(place("lmdb"), 0);
    print("lmdb.write_plain", measure(put, NULL));
    must(mdb_txn_begin(environment, NULL, MDB_RDONLY, &reading));
    mdb_txn_reset(reading);
    print("lmdb.read", measure(get, NULL));
}
