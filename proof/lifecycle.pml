/*
 * The life of the two files: src/core/lockfile.c, open.c, migrate.c and datafile.c.
 *
 * A file is a number, and each of the two paths holds a file or nothing. USERS open the segment,
 * use it and close it. CREATORS create it if it is missing, which may fail and is then undone, and
 * open it; with WRONG_LAYOUT they find it there and fail. REPLACERS put another segment in its
 * place, which may fail too; with MIGRATES they copy its values. DESTROYERS open it and destroy it. DEATHS processes die, each before
 * any step, and everything that they hold is released. In the end one more creator must get in; with
 * MIGRATES it must find the values that there were at the start, and each commit.
 *
 * At the start there is a segment (none with NO_DATA) with a lock file (none with NO_LOCK) from
 * before a reboot: its magic is there, and a process that locks one of its mutexes waits for ever.
 * With INIT_FAILS there may be no space to initialise the lock file.
 */
#ifndef USERS
#define USERS 2
#endif
#ifndef CREATORS
#define CREATORS 0
#endif
#ifndef REPLACERS
#define REPLACERS 0
#endif
#ifndef DESTROYERS
#define DESTROYERS 0
#endif
#ifndef DEATHS
#define DEATHS 1
#endif

#ifdef MIGRATES
#define CAN_MIGRATE 1
#else
#define CAN_MIGRATE 0
#endif

#define PROCESSES (USERS + CREATORS + REPLACERS + DESTROYERS)
#define FILES (PROCESSES * 2 + 4)

/* The lock files; 0 is no file. */
byte lock_path, locks;
byte alone[FILES];   /* the process with the exclusive lock of byte 0 */
byte sharers[FILES]; /* the number of processes that share byte 0 */
byte door[FILES];    /* the process that holds the door, byte 2 */
byte manager[FILES]; /* the process that holds the managers' byte 1 */
bit magic[FILES];
bit usable[FILES];   /* its mutexes were initialised since the reboot */

/* The data files. */
byte data_path, datas;
byte retired[FILES];
byte users[FILES];
byte lock_of[FILES]; /* the lock file that its users lock */

#define LIVE 0
#define RETIRED 1
#ifdef MIGRATING_IS_RETIRED
#define MIGRATING RETIRED
#else
#define MIGRATING 2
#endif

#ifdef MIGRATES
byte writer[FILES];  /* the process that holds the write lock, by lock file */
bit valued[FILES];   /* the data file has the values that there were at the start */
bit news[FILES];     /* it has the commit */
bit committed;       /* somebody made that commit */
#endif

byte deaths, done;

#if DEATHS
#define DIE :: atomic { deaths < DEATHS && !last -> deaths++; goto dead }
#else
#define DIE
#endif
#define STEP(action) if :: action DIE fi

#define NEW_LOCK locks++; lock_path = locks
#define OPEN_OR_MAKE_LOCK(file, made) d_step { \
    if :: lock_path == 0 -> NEW_LOCK; made = 1 :: else -> made = 0 fi; file = lock_path }

/* A mutant: a mapping keeps no file lock, but the descriptor is closed nevertheless. */
#ifdef MAPPING_KEEPS_NO_LOCK
#define GET_IN atomic { sharers[lock]--; in_lock = 0 }
#else
#define GET_IN skip
#endif

/* ipm_lockfile_open, and the checks in open_files before and after it */
inline open_files() {
  do
  :: true ->
     if
     :: found -> data = found; found = 0 /* ipm_create has it open */
     :: else ->
        STEP(data = data_path);
        if
        :: data && !retired[data]
        :: else -> data = 0
        fi
     fi;
     if
     :: data == 0 -> break /* not found; the opener tries again for 100 ms, or gives up */
     :: else
     fi;
     /* ipm_lockfile_open */
     do
     :: true ->
        STEP(OPEN_OR_MAKE_LOCK(lock, made));
        /* join */
#ifndef NO_DOOR
        if
        :: atomic { door[lock] == 0 -> door[lock] = me }
        :: atomic { lock_path != lock -> lock = 0; goto lock_again }
        DIE
        fi;
#endif
join_again:
        if
        :: atomic { !alone[lock] && !sharers[lock] -> alone[lock] = me }; /* initialise */
           assert(users[data] == 0 || lock_of[data] != lock);
           if
           :: true
#ifdef INIT_FAILS
           :: !last -> /* no space */
#ifdef DOOR_OPENED_FIRST
              STEP(door[lock] = 0);
              STEP(alone[lock] = 0);
#else
              STEP(d_step { door[lock] = 0; alone[lock] = 0 });
#endif
              goto opened
#endif
           fi;
           STEP(magic[lock] = 0);
           STEP(usable[lock] = 0); /* half initialised */
           STEP(usable[lock] = 1);
           STEP(magic[lock] = 1);
           STEP(atomic { alone[lock] = 0; sharers[lock]++; in_lock = lock });
        :: atomic { alone[lock] || sharers[lock] };
           if
           :: atomic { !alone[lock] -> sharers[lock]++; in_lock = lock }
           :: alone[lock] -> goto join_again
           DIE
           fi;
           if
           :: magic[lock]
           :: atomic { !magic[lock] -> sharers[lock]--; in_lock = 0 }; goto join_again
           DIE
           fi;
        DIE
        fi;
#ifndef NO_DOOR
        STEP(door[lock] = 0);
#endif
        if
#ifndef PATH_NOT_CHECKED
        :: atomic { lock_path != lock -> sharers[lock]--; in_lock = 0; lock = 0 }
        :: lock_path == lock -> GET_IN; break
#else
        :: true -> GET_IN; break
#endif
        DIE
        fi;
lock_again:
        skip
     od;
     if
     :: retired[data] -> STEP(atomic { sharers[in_lock]--; in_lock = 0; lock = 0 })
     :: else ->
        if
        :: data_path != data -> STEP(atomic { sharers[in_lock]--; in_lock = 0; lock = 0 })
        :: else -> /* the segment is open */
           atomic {
             if
             :: !retired[data] ->
                assert(usable[lock]);
                assert(users[data] == 0 || lock_of[data] == lock);
                assert(data_path == data)
             :: else /* it was retired just now, which its first lock will report */
             fi;
             lock_of[data] = lock; users[data]++; in_data = data
           };
           break
        fi
     fi
  od
}

inline close_files() {
  STEP(atomic { users[in_data]--; in_data = 0; sharers[in_lock]--; in_lock = 0 })
}

/* ipm_lockfile_manage: only one manager at a time, and with the lock file that the path names */
inline manage() {
  do
  :: true ->
     STEP(OPEN_OR_MAKE_LOCK(lock, made));
     if
     :: atomic { manager[lock] == 0 -> manager[lock] = me; managed = lock }
     :: atomic { lock_path != lock -> made = 0; lock = 0; goto manage_again }
#ifdef IMPATIENT
     :: atomic { manager[lock] && lock_path == lock -> break }
#endif
     DIE
     fi;
     if
     :: lock_path == lock -> break
     :: atomic { lock_path != lock -> manager[lock] = 0; managed = 0; made = 0; lock = 0 }
     DIE
     fi;
manage_again:
     skip
  od
}

inline end_manage() {
  if
  :: managed -> STEP(atomic { manager[managed] = 0; managed = 0 })
  :: else
  fi
}

/* A data file leaves its path: no process may go on writing to it unaware. */
#define LEAVES_PATH assert(data_path == 0 || retired[data_path])

#ifdef MIGRATES

/* A user's commit. */
inline commit() {
  if
  :: atomic { writer[in_lock] == 0 -> writer[in_lock] = me };
     if
     :: retired[in_data] == LIVE -> STEP(d_step { news[in_data] = 1; committed = 1 })
     :: else
     fi;
     STEP(writer[in_lock] = 0)
  DIE
  fi
}

/* ipm_migrate_segment in migrate.c, after it has opened the old file */
inline migrate() {
  if
#ifdef MIGRATES_WITHOUT_LOCK
  :: true
#else
  :: atomic { writer[in_lock] == 0 -> writer[in_lock] = me }
#endif
  DIE
  fi;
  if
  :: data_path == in_data && retired[in_data] == LIVE ->
     STEP(made = news[in_data]);
#ifndef RETIRED_AFTER_RENAME
     STEP(retired[in_data] = MIGRATING);
#endif
     if
     :: true ->
        STEP(atomic { LEAVES_PATH; datas++; data_path = datas;
                      valued[datas] = valued[in_data]; news[datas] = made })
     :: true -> STEP(retired[in_data] = LIVE) /* no rename */
     fi
  :: else
  fi;
  made = 0;
  STEP(d_step { if :: writer[in_lock] == me -> writer[in_lock] = 0 :: else fi })
}

#endif

/* replace in create.c. The new file is made under another name, which may take long, and users of
 * the old one must not notice. */
inline replace() {
  made = (retired[old] != LIVE); /* it is not in use anyway */
#ifdef RETIRED_BEFORE_MADE
  STEP(retired[old] = 1);
#endif
  STEP(assert(made || retired[old] == LIVE)); /* ipm_datafile_make */
  if
  :: true ->
#ifndef RETIRED_AFTER_RENAME
     STEP(retired[old] = 1);
#endif
     if
     :: true -> STEP(atomic { LEAVES_PATH; datas++; data_path = datas })
     :: !last -> STEP(retired[old] = made) /* no rename */
     fi
  :: !last /* no space */
  fi;
  made = 0;
#ifdef RETIRED_AFTER_RENAME
  STEP(retired[old] = 1);
#endif
}

/* ipm_create_undo in create.c */
inline make_undone() {
  if
#ifdef UNDONE_IN_USE
  :: made ->
     STEP(lock_path = 0)
#else
  :: atomic { made && managed && !alone[managed] && !sharers[managed] -> alone[managed] = me };
     STEP(lock_path = 0);
     STEP(alone[managed] = 0)
#endif
  :: else
  fi
}

proctype Process(byte me; bit creates; bit replaces; bit destroys; bit last) {
  byte data, lock, old, found, in_data, in_lock, managed;
  bit made, failed, migrates;
  if
  :: creates || replaces ->
     manage();
     failed = (managed == 0);
     if
     :: !failed ->
        STEP(old = data_path);
#ifndef NOT_REVIVED
        if
        :: MIGRATING != RETIRED && old && retired[old] == MIGRATING ->
           STEP(retired[old] = LIVE) /* ipm_datafile_revive */
        :: else
        fi;
#endif
        if
#ifdef MIGRATES
        :: old && replaces && retired[old] == LIVE -> migrates = 1
#endif
        :: old == 0 ->
           if
           :: true -> STEP(atomic { LEAVES_PATH; datas++; data_path = datas })
           :: !last -> failed = 1 /* no space */
           fi
        :: old && ((replaces && !CAN_MIGRATE) || retired[old]) -> replace()
        :: else ->
#ifdef WRONG_LAYOUT
           failed = !last;
#endif
           found = old
        fi
     :: else
     fi;
     if
     :: failed -> make_undone(); end_manage(); goto leave
     :: else
     fi
  :: else
  fi;
open_again:
  atomic { lock = 0; old = 0; made = 0 };
  open_files();
opened:
#ifdef MIGRATES
  if
  :: in_data && migrates -> migrate(); migrates = 0; data = 0; close_files(); goto open_again
  :: else
  fi;
#endif
  end_manage();
#ifdef MIGRATES
  if
  :: in_data && !creates && !replaces -> commit()
  :: in_data && last -> assert(valued[in_data] && (news[in_data] || !committed))
  :: else
  fi;
#endif
  if
  :: in_data && destroys ->
     if
     :: !retired[in_data] ->
        manage();
        if
        :: managed && data_path == in_data ->
#ifndef DESTROY_RETIRES_LAST
           STEP(retired[in_data] = 1);
#endif
           if
           :: true -> STEP(atomic { LEAVES_PATH; data_path = 0 }); STEP(lock_path = 0)
           :: true -> STEP(retired[in_data] = 0)
           fi
        :: else
        fi;
        end_manage()
     :: else
     fi
  :: else
  fi;
  if
  :: in_data -> close_files()
  :: else -> assert(!last)
  fi;
leave:
  atomic { done++; lock = 0; data = 0; old = 0; found = 0; made = 0; failed = 0; migrates = 0 };
  goto end;
dead: /* the kernel drops the locks of an open file all at once, but not of different files */
  atomic {
    if :: lock && alone[lock] == me -> alone[lock] = 0 :: else fi;
    if :: managed && alone[managed] == me -> alone[managed] = 0 :: else fi;
    if :: lock && door[lock] == me -> door[lock] = 0 :: else fi;
#ifdef MIGRATES
    if :: in_lock && writer[in_lock] == me -> writer[in_lock] = 0 :: else fi;
#endif
    if :: in_data -> users[in_data]-- :: else fi;
    if :: in_lock -> sharers[in_lock]-- :: else fi;
    in_data = 0; in_lock = 0; lock = 0; made = 0; failed = 0
  };
  if
  :: managed -> atomic { manager[managed] = 0; managed = 0 }
  :: else
  fi;
  atomic { done++; data = 0; old = 0; found = 0; migrates = 0 };
end:
  skip
}

init {
  byte n;
  d_step {
#ifndef NO_DATA
    datas = 1; data_path = 1;
#ifdef MIGRATES
    valued[1] = 1;
#endif
#endif
#ifndef NO_LOCK
    locks = 1; lock_path = 1; magic[1] = 1;
#endif
    skip
  }
  atomic {
    for (n : 1 .. PROCESSES) {
      run Process(n, n > USERS && n <= USERS + CREATORS,
                  n > USERS + CREATORS && n <= USERS + CREATORS + REPLACERS,
                  n > USERS + CREATORS + REPLACERS, 0)
    };
    n = 0
  };
  done == PROCESSES;
  run Process(PROCESSES + 1, 1, 0, 0, 1)
}
