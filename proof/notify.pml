/*
 * The word with the bit and the count: src/core/notify.c, ipm_segment_wait and the end of
 * ipm_segment_unlock in segment.c. All accesses are sequentially consistent, with a full fence
 * before the last look. A fence left out is modelled as two steps in the other order.
 *
 * WAITERS wait until the version is WANTED. TELLERS commit NEWS times each, and notify. With
 * RETIRE, one more process retires the segment, which ends all waits. The slices of a sleep are
 * left out: a wake-up that only comes at the end of a slice counts as lost here. DEATHS tellers may
 * die before any step. Each death may cost a sleeper at most one slice.
 */
#ifndef WAITERS
#define WAITERS 2
#endif
#ifndef TELLERS
#define TELLERS 2
#endif
#ifndef NEWS
#define NEWS 2
#endif
#ifndef WANTED
#define WANTED (TELLERS * NEWS)
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

bit retired;
byte word, version, deaths; /* the lowest bit of the word: a process sleeps */
bit asleep[WAITERS];
byte slices[WAITERS];
byte goal[WAITERS]; /* the version that each waits for */

#if DEATHS
#define DIE :: atomic { deaths < DEATHS -> deaths++; goto dead }
#else
#define DIE
#endif
#define STEP(action) if :: action DIE fi

inline wake_all() {
  d_step {
    for (n : 0 .. WAITERS - 1) { asleep[n] = 0 };
    n = 0
  }
}

#define ASLEEP(value) ((value) & 1)

inline clear() {
  d_step {
    if
#if defined(NOT_COUNTED)
    :: word == seen -> word = seen - 1
#else
    :: word == seen -> word = seen + 1
#endif
    :: else
    fi
  }
}

/* ipm_notify_all */
inline tell() {
  STEP(seen = word);
  if
  :: !ASLEEP(seen)
  :: ASLEEP(seen) ->
#if defined(WAKE_BEFORE_CLEAR)
     STEP(wake_all());
     STEP(clear())
#elif defined(NOBODY_WOKEN)
     STEP(clear())
#else
     STEP(clear());
     STEP(wake_all())
#endif
  fi;
  seen = 0
}

proctype Waiter(byte me) {
  byte seen;
  goal[me] = 1;
  do
  :: goal[me] > WANTED -> break
  :: goal[me] <= WANTED ->
#ifdef LOOK_BEFORE_BIT
     if :: retired || version >= goal[me] -> goto news :: else fi;
#endif
     /* ipm_notify_announce */
#ifdef SEEN_AFTERWARDS
     word = word | 1;
     seen = word;
#else
     d_step { word = word | 1; seen = word };
#endif
     /* the last look */
#ifndef LOOK_BEFORE_BIT
     if :: retired -> goto news :: else fi;
     if :: version >= goal[me] -> goto news :: else fi;
#endif
     /* ipm_notify_wait */
     if
#ifdef WORD_NOT_COMPARED
     :: true -> asleep[me] = 1
#else
     :: atomic { word == seen -> asleep[me] = 1 }
     :: word != seen
#endif
     fi;
end_asleep:
     if
     :: !asleep[me]
#if DEATHS
     :: atomic { timeout && asleep[me] && slices[me] < deaths -> slices[me]++; asleep[me] = 0 }
#endif
     fi;
     goto again;
news:
     goal[me] = (retired -> WANTED + 1 : version + 1);
again:
     seen = 0
  od
}

proctype Teller() {
  byte news, n, seen;
  do
  :: news == NEWS -> break
  :: news < NEWS ->
#ifdef LOOK_BEFORE_NEWS
     tell();
     STEP(version++);
#else
     STEP(version++); /* within the write lock */
     tell();
#endif
     news++
  od;
dead:
  skip
}

/* ipm_segment_destroy */
proctype Retirer() {
  byte n, seen;
#ifdef RETIRED_AFTER_TELLING
  tell();
  STEP(retired = 1);
#else
  STEP(retired = 1);
  tell();
#endif
dead:
  skip
}

/* When no process can go on, none may sleep although there is a commit it has not seen. */
proctype Monitor() {
  byte n;
  timeout ->
  d_step {
    for (n : 0 .. WAITERS - 1) {
      assert(!asleep[n] || slices[n] < deaths || (version < goal[n] && !retired))
    }
  }
}

init {
  byte n;
  atomic {
    for (n : 1 .. WAITERS) { run Waiter(n - 1) };
    for (n : 1 .. TELLERS) { run Teller() };
#ifdef RETIRE
    run Retirer();
#endif
    run Monitor()
  }
}
