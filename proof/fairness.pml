/*
 * No reader starves: the count in src/core/slow_readers.c, and who waits for whom.
 *
 * WRITERS lock again and again; READERS read, again and again or (ONCE) once. The gate goes to
 * anyone who asks, so only the writers' courtesy lets a slow reader through; the scheduler is
 * weakly fair, and a wait for the readers times out only when those that it counts have died
 * (LONG_HOLDS: at any time, as when a writer holds the lock for longer than the 10 ms that another
 * waits). STUCK_WAITS is 2. One slot a reader, so slots are only what a writer waits for. DEATHS slow readers die,
 * counted; TIMEOUTS slow readers give up.
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
#define STUCK_WAITS 2

bit flag;
bit gate;          /* locked */
bit slot[READERS]; /* locked */
byte count;        /* slow_readers: the lower half, the count */
bit arrived[WRITERS]; /* whether the upper half differs from what each writer saw last */
byte living;       /* slow readers that have not died */
bit slow;          /* reader 0 is slow */
bit wants;         /* writer 0 is waiting */
byte deaths, timeouts;

#ifdef LONG_HOLDS
#define TIME_IS_UP true
#else
#define TIME_IS_UP (living == 0)
#endif

inline enter() {
#ifdef ONE_BIT
  count = 1
#else
  d_step {
    count++;
#ifndef NO_ARRIVALS
    for (i : 0 .. WRITERS - 1) { arrived[i] = 1 };
    i = 0
#endif
  }
#endif
}

inline leave() {
#ifdef COUNT_BELOW_0
  count--
#elif defined(ONE_BIT)
  count = 0
#else
  d_step { if :: count > 0 -> count-- :: else fi }
#endif
}

inline release_gate() { gate = 0 }

inline go_first() {
  first = count;
  left = first;
  if
  :: left == 0 -> stuck = 0
  :: else ->
     do
     :: atomic { count == 0 -> left = 0; break }
     :: atomic { TIME_IS_UP && count > 0 -> left = count; break }
     od;
     atomic {
       if
       :: left == 0 || left != first || left != stuck_at || arrived[me] -> stuck = 0
       :: else
       fi;
       arrived[me] = 0; stuck_at = left;
       if :: left > 0 -> stuck++ :: else fi
     };
     if
     :: stuck >= STUCK_WAITS ->
#ifdef RESET_STORED
        count = 0;
#else
        d_step { if :: count == left && !arrived[me] -> count = 0 :: else fi };
#endif
        stuck = 0
     :: else
     fi
  fi;
  atomic { first = 0; left = 0 }
}

proctype Writer(byte me) {
  byte first, left, stuck, stuck_at, i;
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
     release_gate()
  od
}

proctype Reader(byte me) {
  byte i;
again:
  slot[me] = 1;
  if
  :: !flag -> goto held
  :: flag -> slot[me] = 0
  fi;
  atomic { living++; if :: me == 0 -> slow = 1 :: else fi };
  enter();
  if
  :: atomic { !gate -> gate = 1 }
#if TIMEOUTS
  :: atomic { gate && timeouts < TIMEOUTS -> timeouts++ };
     leave();
     goto out
#endif
#if DEATHS
  :: atomic { me > 0 && deaths < DEATHS -> deaths++; living--; goto end }
#endif
  fi;
  slot[me] = 1;
#ifndef FLAG_LEFT
  flag = 0;
#endif
  release_gate();
  leave();
  atomic { living--; if :: me == 0 -> slow = 0 :: else fi };
held:
  slot[me] = 0;
#if TIMEOUTS
  goto round;
out:
  atomic { living--; if :: me == 0 -> slow = 0 :: else fi };
round:
#endif
#ifndef ONCE
  goto again;
#endif
end:
  skip
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
ltl counted { [] (count <= READERS) }
