/*
 * The lock, the transaction, the snapshot and recovery: src/core/rwlock.c, transaction.c and
 * segment.c, under sequential consistency (weak memory: memory.pml).
 *
 * WRITERS and READERS take the lock ROUNDS times each, and SNAPS processes take a snapshot, with
 * SLOTS slots. DEATHS processes die, each before any step at which it holds a mutex. The kernel
 * then releases its mutexes one by one, in any order, while all others go on, and the process
 * starts again as a new one. TIMEOUTS waits end by a timeout. A struct is two words in two blocks,
 * with a tag each and one tag above both. A transaction writes its own odd sequence to what it
 * changes, so all values differ. With ANY_BLOCKS it changes any of the blocks, or none. With
 * ROLLBACKS its writer may roll it back. With SAME_SLOT all readers begin with slot 0.
 *
 * The budgets need not be used up, so a state in which all processes wait after k deaths is an
 * invalid end of the run with DEATHS=k. README.md says what is left out, and why that is sound.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef SNAPS
#define SNAPS 1
#endif
#ifndef SLOTS
#define SLOTS 2
#endif
#ifndef ROUNDS
#define ROUNDS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif

#ifdef SAME_SLOT
#define FIRST_SLOT 0
#else
#define FIRST_SLOT (n - WRITERS - 1) % SLOTS
#endif

#define GATE SLOTS
#define DIED 15 /* free; the next owner gets EOWNERDEAD */
#define FREE(m) (own[m] == 0 || own[m] == DIED)

byte own[SLOTS + 1]; /* the mutexes' owners */
bit flag;            /* writing */
byte mark;           /* high_water */
bit kept[READERS + 1]; /* the mark was not lowered since the reader checked it (the count in high_water.h) */
byte seq, ver, before;                  /* sequence, version, version_before */
byte data0, data1, shadow0, shadow1, tag0, tag1;
byte above;                             /* the tag of the upper level */

/* The assertions use these: the last commit, and the processes that hold the lock. */
byte good0, good1, commits;
byte reading, writing, deaths, timeouts;
#define INTACT (data0 == good0 && data1 == good1 && ver == commits)

#if DEATHS
#define DIE :: atomic { deaths < DEATHS -> deaths++; goto dead }
#else
#define DIE
#endif
#define STEP(action) if :: action DIE fi
#define LOCK(mutex) atomic { FREE(mutex) -> told = (own[mutex] == DIED); own[mutex] = me }
#define TIMEOUT(mutex) !FREE(mutex) && timeouts < TIMEOUTS -> timeouts++
#define KERNEL_RELEASES(mutex) atomic { own[mutex] == me -> own[mutex] = DIED }

/* release_gate: consistent, then unlock; without the first the mutex is lost for ever */
#define UNLOCK_GATE d_step { assert(!told); own[GATE] = 0 }

/* undo in transaction.c; each block is one step. ipm_next_saved: whether the search finds the block. */
#define SAVED(tag, from) (above >= from && tag >= from)
inline undo_block(data, shadow, tag) {
  STEP(d_step { if :: SAVED(tag, seq) -> data = shadow :: else fi })
}

inline undo() {
#ifdef EVEN_BEFORE_UNDO
  i = seq;
  STEP(seq++);
  STEP(d_step { if :: SAVED(tag0, i) -> data0 = shadow0 :: else fi });
  STEP(d_step { if :: SAVED(tag1, i) -> data1 = shadow1 :: else fi; i = 0 });
#else
  undo_block(data0, shadow0, tag0);
  undo_block(data1, shadow1, tag1);
#ifndef UNDO_KEEPS_VERSION
  STEP(ver = before);
#endif
  STEP(d_step { assert(INTACT); seq++ })
#endif
}

/* ipm_transaction_save of one block, and a change of the block */
inline change(data, shadow, tag) {
#ifdef TAG_BEFORE_SHADOW
  STEP(tag = seq);
#endif
  STEP(shadow = data);
#ifndef ABOVE_AFTER_CHANGE
  STEP(above = seq);
#endif
#ifndef TAG_BEFORE_SHADOW
  STEP(tag = seq);
#endif
  STEP(data = seq)
#ifdef ABOVE_AFTER_CHANGE
  ; STEP(above = seq)
#endif
}

#define KEPT kept[me - WRITERS]

/* ipm_high_water_lower */
inline lower() {
  if
  :: used > 0 ->
     STEP(d_step { mark = used - 1; for (n : 0 .. READERS) { kept[n] = 0 }; n = 0 })
  :: else
  fi
}

proctype Writer(byte me) {
  byte round, i, used, blocks, n;
  bit told, inside;
again:
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
#ifdef FLAG_BEFORE_GATE
     flag = 1;
#endif
     LOCK(GATE);
#if !defined(NO_FLAG) && !defined(FLAG_AFTER_MARK) && !defined(FLAG_AFTER_DRAIN) && !defined(FLAG_BEFORE_GATE)
     STEP(flag = 1);
#endif
     /* drain */
     STEP(used = mark);
#ifdef FLAG_AFTER_MARK
     STEP(flag = 1);
#endif
#ifdef LOWERED_BEFORE_DRAIN
     lower();
#endif
     do
     :: i == used -> break
     :: atomic { i < used && FREE(i) -> own[i] = me };
        STEP(d_step { own[i] = 0; i++ })
     :: atomic { i < used && TIMEOUT(i); i = 0; used = 0 };
#ifdef TIMEOUT_UNLOCKS_FIRST
        told = 0;
        UNLOCK_GATE;
        atomic { flag = 0; round++; goto again };
#else
        STEP(flag = 0);
#ifndef TIMEOUT_INCONSISTENT
        told = 0;
#endif
        STEP(UNLOCK_GATE);
        atomic { round++; goto again }
#endif
     DIE
     od;
#ifdef FLAG_AFTER_DRAIN
     STEP(flag = 1);
#endif
#ifndef LOWERED_BEFORE_DRAIN
     lower();
#endif
     atomic { i = 0; used = 0; inside = 1; writing++; assert(writing == 1 && reading == 0) };

     /* ipm_transaction_recover */
     if
#ifdef REPAIR_WHEN_TOLD
     :: seq % 2 == 1 && told -> undo()
#else
     :: seq % 2 == 1 -> undo()
#endif
     :: else
     fi;

     /* no commit is lost */
     STEP(d_step { assert(INTACT); told = 0 });

     /* The first change begins the transaction; without one nothing is stored. */
#ifdef ANY_BLOCKS
     if :: blocks = 0 :: blocks = 1 :: blocks = 2 :: blocks = 3 fi;
#else
     blocks = 3;
#endif
     if
     :: blocks ->
#ifdef BEFORE_AFTER_ODD
        STEP(seq++);
        STEP(before = ver);
#else
        STEP(before = ver);
        STEP(seq++);
#endif
        if :: blocks & 1 -> change(data0, shadow0, tag0) :: else fi;
        if :: blocks & 2 -> change(data1, shadow1, tag1) :: else fi;
#ifdef CLEAR_BEFORE_COMMIT
        STEP(flag = 0);
#endif
        if
        :: true -> /* ipm_transaction_commit */
#ifdef VERSION_AFTER_EVEN
           STEP(atomic { good0 = data0; good1 = data1; commits++; seq++ });
           STEP(atomic { ver = before + 1; writing--; inside = 0 })
#else
           STEP(ver = before + 1);
           STEP(atomic { good0 = data0; good1 = data1; commits++; seq++; writing--; inside = 0 })
#endif
#ifdef ROLLBACKS
        :: true -> undo(); atomic { writing--; inside = 0 }
#endif
        fi
     :: else -> atomic { writing--; inside = 0 }
     fi;
     blocks = 0;

     /* ipm_rwlock_unlock */
#if !defined(CLEAR_BEFORE_COMMIT) && !defined(CLEAR_AFTER_UNLOCK)
     STEP(flag = 0);
#endif
     STEP(atomic { UNLOCK_GATE; round++ });
#ifdef CLEAR_AFTER_UNLOCK
     flag = 0
#endif
  od;
  goto done;
dead:
  atomic { writing = writing - inside; inside = 0; told = 0; i = 0; used = 0; blocks = 0 };
  do /* it holds the gate, and perhaps one slot */
  :: KERNEL_RELEASES(GATE)
  :: KERNEL_RELEASES(0)
  :: KERNEL_RELEASES(1)
  :: own[GATE] != me && own[0] != me && own[1] != me -> break
  od;
  goto again;
done:
  skip
}

/* ipm_high_water_raise: compare and swap */
inline raise_mark() {
#ifdef MARK_STORED
  if :: mark <= slot -> STEP(d_step { mark = slot + 1; KEPT = 1 }) :: else -> KEPT = 1 fi
#elif defined(MARK_NOT_ELSEWHERE)
  STEP(d_step { if :: tried == 0 && mark <= slot -> mark = slot + 1 :: else fi; KEPT = 1 })
#else
  STEP(d_step { if :: mark <= slot -> mark = slot + 1 :: else fi; KEPT = 1 })
#endif
}

/* ipm_high_water_stands */
#ifdef NOT_LOOKED_AGAIN
#define STANDS true
#elif defined(MARK_LOOKED_AT_AGAIN)
#define STANDS (mark > slot)
#else
#define STANDS (KEPT)
#endif

#define ENTER KEPT = 0; inside = 1; reading++; assert(writing == 0)

proctype Reader(byte me; byte first) {
  byte round, slot = first, tried;
  bit told, gate, inside, seen;
again:
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
#ifdef FLAG_BEFORE_SLOT
     seen = flag;
#endif
grab:
     if
     :: atomic { FREE(slot) -> own[slot] = me }
     :: atomic { tried < SLOTS && !FREE(slot) -> slot = (slot + 1) % SLOTS; tried++; goto grab }
     :: atomic { !gate && tried == SLOTS && !FREE(slot) -> tried = 0; goto slow }
     :: atomic { gate && tried == SLOTS && !FREE(slot) && FREE((slot + 1) % SLOTS) ->
          slot = (slot + 1) % SLOTS; goto grab } /* await_slot: the first slot that becomes free */
     :: atomic { gate && tried == SLOTS && TIMEOUT(slot); tried = 0 };
#ifndef READER_INCONSISTENT
        told = 0;
#endif
        STEP(UNLOCK_GATE);
        atomic { gate = 0; round++; goto again }
#if DEATHS
     :: atomic { gate && deaths < DEATHS -> deaths++; goto dead }
#endif
     fi;
raise:
#ifndef MARK_AFTER_FLAG
     raise_mark();
#endif
     tried = 0;
     if
     :: gate -> goto behind_gate
     :: else
     fi;
     if
#ifdef FLAG_BEFORE_SLOT
     :: atomic { seen == 0 -> ENTER }; goto held
     :: atomic { seen == 1 -> seen = 0 }
#else
#ifdef MARK_AFTER_FLAG
     :: atomic { flag == 0 -> ENTER };
        raise_mark();
        goto held
#else
     :: flag == 0 ->
        if
        :: atomic { STANDS -> ENTER }; goto held
        :: !(STANDS) -> goto raise
        DIE
        fi
#endif
     :: flag == 1
#endif
     DIE
     fi;
#ifdef SLOT_KEPT
     LOCK(GATE);
     STEP(atomic { told = 0; own[GATE] = 0; ENTER });
     goto held;
#endif
     STEP(d_step { own[slot] = 0; KEPT = 0 });
slow:
     LOCK(GATE);
     gate = 1;
     goto grab;
behind_gate:
#ifdef MARK_AFTER_FLAG
     raise_mark();
#endif
#ifndef READER_CLEARS_LATE
     STEP(flag = 0);
#endif
     STEP(atomic { told = 0; UNLOCK_GATE; gate = 0; ENTER });
#ifdef READER_CLEARS_LATE
     STEP(flag = 0);
#endif
held:
     /* readable in segment.c: the struct itself, or a copy if a writer died inside. This is one
      * step, because no process changes the struct while a reader is inside (see ENTER). */
     STEP(d_step {
       if
#ifdef READ_IN_PLACE
       :: true -> assert(data0 == good0 && data1 == good1)
#else
       :: seq % 2 == 0 -> assert(INTACT)
       :: else ->
          assert((SAVED(tag0, seq) -> shadow0 : data0) == good0);
          assert((SAVED(tag1, seq) -> shadow1 : data1) == good1);
          assert(before == commits)
#endif
       fi });
     STEP(d_step { own[slot] = 0; reading--; inside = 0; round++ })
  od;
  goto done;
dead:
  atomic { reading = reading - inside; inside = 0; gate = 0; told = 0; tried = 0; seen = 0; KEPT = 0 };
  do
  :: KERNEL_RELEASES(GATE)
  :: KERNEL_RELEASES(slot)
  :: own[GATE] != me && own[slot] != me -> break
  od;
  slot = first;
  goto again;
done:
  skip
}

/* copy_committed in transaction.c for one block. A later turn copies the block only if it was saved
 * since the turn before. If the transaction has saved it, it is copied from the shadow. Otherwise it
 * is copied from the struct, and then from the shadow if it was saved meanwhile. */
#ifdef NO_SECOND_LOOK
#define SECOND_LOOK skip
#else
#define SECOND_LOOK if :: SAVED(tag, odd) -> copy = shadow :: else fi
#endif
inline copy_committed(copy, data, shadow, tag) {
  if
  :: below && tag >= since ->
     if
     :: tag == odd -> copy = shadow
     :: else -> copy = data; SECOND_LOOK
     fi
  :: else
  fi
}

/* ipm_snapshot_turn until one succeeds. A turn under the read lock does the same as `held` in a
 * locked reader. The death of a process that takes a snapshot affects no other process. */
proctype Snapshot() {
  byte s, odd, since, v, copy0, copy1;
  bit below;               /* the tag above shows that the search goes down */
  byte steps;              /* how often the sequence may change during the turn */
  byte want0, want1, want; /* the values of the commit that belongs to the sequence */
turn:
  atomic { s = seq; want0 = good0; want1 = good1; want = commits };
  if
  :: s % 2 == 0 -> v = ver
  :: else -> v = before
  fi;
  if
  :: since == 0 && s % 2 == 0 ->
     copy0 = data0;
     copy1 = data1
  :: else ->
#ifndef VERSION_UNCHECKED
     if :: seq == s :: else -> goto turn fi;
#endif
     d_step { odd = s | 1; steps = odd + 1 - s; below = (above >= since) };
     copy_committed(copy0, data0, shadow0, tag0);
     copy_committed(copy1, data1, shadow1, tag1);
  fi;
  d_step {
    if
#if defined(NOT_VALIDATED)
    :: seq == s || s % 2 == 1 ->
#elif defined(BEGUN_MEANWHILE)
    :: seq <= s + (s % 2 == 0 && steps == 0 -> 1 : steps) ->
#elif defined(ENDED_MEANWHILE)
    :: seq <= s + (steps == 0 -> 0 : steps + 1) ->
#else
    :: seq <= s + steps ->
#endif
       assert(copy0 == want0 && copy1 == want1 && v == want);
       since = 255
#if defined(SINCE_TOO_LATE)
    :: else -> since = (s | 1) + 2
#else
    :: else -> since = s | 1
#endif
    fi;
    s = 0; odd = 0; v = 0; below = 0; steps = 0; want0 = 0; want1 = 0; want = 0
  };
  if
  :: since < 255 -> goto turn
  :: else
  fi;
  d_step { since = 0; copy0 = 0; copy1 = 0 }
}

init {
  byte n;
  atomic {
    do
    :: n < WRITERS -> n++; run Writer(n)
    :: n >= WRITERS && n < WRITERS + READERS -> n++; run Reader(n, FIRST_SLOT)
    :: n == WRITERS + READERS -> break
    od;
#if SNAPS
    run Snapshot();
#endif
    n = 0
  }
}
