/*
 * A snapshot ends, whatever the writers do: src/core/catch_up.c. (lock.pml checks what it
 * contains.)
 *
 * WRITERS commit for ever, DEATHS of them die, and STOPS of them stop for ever, each before any of
 * its steps. One process takes snapshots for ever. The scheduler is weakly fair. Of the sequence
 * the model keeps its parity, and how often it changed since the present turn began. All copying of
 * a turn is one step, because two steps of a writer may come before and after it. A reader that
 * waits for the gate is the first in the queue, and urgent: the writers queue behind it.
 * (fairness.pml checks that it gets there.) A wait for the lock ends without success beside a
 * holder that has stopped (with LONG_HOLDS: beside any that has held it since the wait began).
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif

bit odd;            /* the sequence */
byte went;          /* how often the sequence changed since the turn began; 3: or more often */
bit flag, gate, slot;
bit queued;         /* the reader, first and urgent */
bit idle;           /* the gate's holder has stopped */
bit held_on;        /* the same process has held the gate since the wait began */
bit wants;          /* a snapshot is under way */
byte deaths, stops;

/* ---- Writers ------------------------------------------------------------------------------- */

#if DEATHS
#define DIE :: atomic { deaths < DEATHS -> deaths++; goto dead }
#else
#define DIE
#endif
#if STOPS
#define STOP :: atomic { stops < STOPS -> stops++; idle = idle | has_gate; goto stopped }
#else
#define STOP
#endif
#define STEP(action) if :: action DIE STOP fi

inline go_on() {
  odd = 1 - odd;
  if :: went < 3 -> went++ :: else fi
}

proctype Writer() {
  bit has_gate;
  do
  :: true ->
#ifndef NO_QUEUE
     if :: !queued STOP fi;
#endif
     if :: atomic { !gate -> gate = 1; has_gate = 1 } STOP fi;
     STEP(flag = 1);
     if :: !slot DIE STOP fi;
     if
     :: atomic { odd -> go_on() } DIE STOP /* undo */
     :: !odd
     fi;
     STEP(atomic { go_on() });
     STEP(atomic { go_on() });
     STEP(flag = 0);
     STEP(atomic { gate = 0; has_gate = 0; held_on = 0 })
#if DEATHS
     ; goto end;
dead:
     atomic { if :: has_gate -> gate = 0; has_gate = 0; held_on = 0 :: else fi };
end:
     skip
#endif
  od;
stopped:
  skip
}

/* ---- The snapshot -------------------------------------------------------------------------- */

/* ipm_snapshot_turn. even: how often the sequence may go on if it is even at first */
inline turn(even) {
  atomic { went = 0; began_odd = odd };
  skip; /* all that is copied */
  atomic { whole = (went <= (began_odd -> 1 : even)); began_odd = 0 }
}

/* ipm_snapshot_turn within the read lock */
inline turn_inside() {
#ifdef TURN_OUTSIDE
  slot = 0;
  turn(2)
#else
  turn(2);
  assert(whole);
  slot = 0
#endif
}

#ifdef LONG_HOLDS
#define TIME_IS_UP held_on
#else
#define TIME_IS_UP (gate && idle)
#endif

/* ipm_rwlock_read with timeout 0 */
inline try_lock() {
  slot = 1;
  if
  :: !flag -> has = 1
  :: flag ->
     slot = 0;
     if
     :: atomic { !gate -> gate = 1 }; slot = 1; flag = 0; gate = 0; has = 1
     :: atomic { gate -> has = 0 }
     fi
  fi
}

/* ipm_rwlock_read: read_slow */
inline wait_for_lock() {
  atomic { queued = 1; held_on = gate };
  if
  :: atomic { !gate -> gate = 1 }; slot = 1; flag = 0; gate = 0; has = 1
#ifndef WAITS_WITHOUT_BOUND
  :: atomic { TIME_IS_UP -> has = 0 }
#endif
  fi;
  atomic { queued = 0; held_on = 0 }
}

proctype Snapshot() {
  bit whole, began_odd, has, tried;
  do
  :: true ->
     wants = 1;
     turn(0);
     do
     :: whole -> break
     :: !whole ->
#ifndef NO_TURN_ALONE
        turn(2);
#endif
        if
        :: whole -> break
        :: else
        fi;
#ifndef NO_LOCK
        if
#ifndef TRIES_ALONE
        :: tried -> wait_for_lock()
        :: !tried -> try_lock(); tried = 1
#else
        :: try_lock()
#endif
        fi;
        if
        :: has -> turn_inside()
        :: !has
        fi;
        has = 0
#endif
     od;
     atomic { wants = 0; whole = 0; tried = 0 }
  od
}

init {
  byte n;
  atomic {
    for (n : 1 .. WRITERS) { run Writer() };
    run Snapshot();
    n = 0
  }
}

ltl ends { [] (wants -> <> !wants) }
