/*
 * No reader starves, and nobody waits for the dead: src/core/slow_readers.c, and who waits for whom.
 *
 * WRITERS lock again and again; READERS read, again and again or (ONCE) once. The gate goes to
 * anyone who asks, so only the writers' courtesy lets a slow reader through; the scheduler is
 * weakly fair. A writer's wait for the slow readers ends in vain only when all those have got in,
 * given up or died that were counted when it began (LONG_HOLDS: at any time, as when a writer holds
 * the lock for longer than the 10 ms that another waits). One slot a reader, so slots are only what
 * a writer waits for. DEATHS slow readers die, counted; TIMEOUTS slow readers give up.
 */
#ifndef WRITERS
#define WRITERS 1
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef STUCK_WAITS
#define STUCK_WAITS 2
#endif

bit flag;
bit gate;           /* locked */
bit slot[READERS];  /* locked */
byte deaths, timeouts;

/* The word. */
byte count[2];      /* slow readers, by the parity of the turn in which they came */
bit turn;           /* its parity */
byte waited;        /* waits in vain in this turn */

/* What is only here. */
bit moved[WRITERS]; /* whether turn and waited differ from what each writer saw first */
byte queued;        /* a bit for each reader that is counted and alive */
byte ahead[WRITERS]; /* those that were that when each writer's wait began, and still are */
bit corpse, where;  /* a dead reader is counted, and in which count */
bit slow;           /* reader 0 is slow */
bit wants;          /* writer 0 is waiting */

/* ---- Readers ------------------------------------------------------------------------------- */

inline enter() {
  d_step {
#ifndef ONE_COUNT
    came = turn;
#endif
#ifdef ONE_BIT
    count[came] = 1;
#else
    count[came]++;
#endif
    queued = queued | (1 << me)
  }
}

inline leave() {
  d_step {
#ifdef COUNT_BELOW_0
    count[came]--;
#elif defined(ONE_BIT)
    count[came] = 0;
#else
    if :: count[came] > 0 -> count[came]-- :: else fi;
#endif
    gone()
  }
}

inline gone() {
  came = 0;
  queued = queued & ~(1 << me);
  for (i : 0 .. WRITERS - 1) { ahead[i] = ahead[i] & ~(1 << me) };
  i = 0
}

proctype Reader(byte me) {
  byte i;
  bit came;
again:
  slot[me] = 1;
  if
  :: !flag -> goto held
  :: flag -> slot[me] = 0
  fi;
  if :: me == 0 -> slow = 1 :: else fi;
  enter();
  if
  :: atomic { !gate -> gate = 1 }
#if TIMEOUTS
  :: atomic { gate && timeouts < TIMEOUTS -> timeouts++ };
     leave();
     goto out
#endif
#if DEATHS
  :: atomic {
       me > 0 && deaths < DEATHS -> deaths++;
       corpse = 1; where = came;
       gone();
       goto end
     }
#endif
  fi;
  slot[me] = 1;
#ifndef FLAG_LEFT
  flag = 0;
#endif
  gate = 0;
  leave();
  if :: me == 0 -> slow = 0 :: else fi;
held:
  slot[me] = 0;
#if TIMEOUTS
  goto round;
out:
  if :: me == 0 -> slow = 0 :: else fi;
round:
#endif
#ifndef ONCE
  goto again;
#endif
end:
  skip
}

/* ---- Writers ------------------------------------------------------------------------------- */

#ifdef LONG_HOLDS
#define TIME_IS_UP true
#else
#define TIME_IS_UP (ahead[me] == 0)
#endif

#ifdef ONE_COUNT
#define OLD 0
#else
#define OLD (1 - turn)
#endif

/* Whether a wait that ends is one more in vain. */
#ifdef OVERLAPS_COUNT
#define COUNTS true
#elif defined(TURNS_A_BIT)
#define COUNTS (turn == seen_turn && waited == seen_waited)
#elif defined(QUIET_WAITS)
#define COUNTS (!moved[me] && count[0] == seen[0] && count[1] == seen[1])
#else
#define COUNTS (!moved[me])
#endif

inline look_first() {
  d_step {
#ifdef TURNS_A_BIT
    seen_turn = turn; seen_waited = waited;
#endif
#ifdef QUIET_WAITS
    seen[0] = count[0]; seen[1] = count[1];
#endif
#ifdef OWN_WAITS
    waited = 0;
#endif
    ahead[me] = queued;
    moved[me] = 0
  }
}

inline wait_in_vain() {
#ifdef WORD_STORED
  d_step { seen[0] = count[0]; seen[1] = count[1] };
#endif
  d_step {
    if
    :: COUNTS ->
#ifdef WORD_STORED
       count[0] = seen[0]; count[1] = seen[1];
#endif
       waited++;
       if
       :: count[OLD] == 0 || waited >= STUCK_WAITS ->
          if :: where == OLD -> corpse = 0 :: else fi;
          count[OLD] = 0;
          turn = 1 - turn;
          waited = 0
       :: else
       fi;
       for (i : 0 .. WRITERS - 1) { moved[i] = 1 };
       i = 0
    :: else
    fi
  }
}

inline go_first() {
  look_first();
  do
  :: atomic { count[0] + count[1] == 0 -> ahead[me] = 0; break }
  :: atomic { count[0] + count[1] > 0 && TIME_IS_UP -> ahead[me] = 0 };
     wait_in_vain();
     break
  od
}

proctype Writer(byte me) {
  byte i;
#ifdef TURNS_A_BIT
  bit seen_turn;
  byte seen_waited;
#endif
#if defined(QUIET_WAITS) || defined(WORD_STORED)
  byte seen[2];
#endif
  do
  :: true ->
     if :: me == 0 -> wants = 1 :: else fi;
#ifndef NO_COURTESY
     go_first();
#endif
     atomic { !gate -> gate = 1 };
     flag = 1;
     for (i : 0 .. READERS - 1) { !slot[i] };
     i = 0;
     if :: me == 0 -> wants = 0 :: else fi;
     /* holds */
     flag = 0;
     gate = 0
  od
}

init {
  byte n;
  atomic {
    for (n : 1 .. WRITERS) { run Writer(n - 1) };
    for (n : 1 .. READERS) { run Reader(n - 1) };
    n = 0
  }
}

ltl reader { [] (slow -> <> !slow) }
ltl writer { [] (wants -> <> !wants) }
ltl counted { [] (count[0] + count[1] <= READERS) }
ltl mended { [] (corpse -> <> !corpse) }
