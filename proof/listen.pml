/*
 * The listening flag: src/core/listeners.c, its use in listen.c, and the end of ipm_segment_unlock
 * in segment.c. All accesses to the word are sequentially consistent, with a full fence after a
 * commit and after setting the flag. A fence left out is modelled as two steps in the other order.
 *
 * LISTENERS listen. EDITORS commit COMMITS times each, and notify. inotify reports a touch of the
 * file to all processes that watch it, and keeps the report until it is read. DEATHS editors may
 * die before any step. With FAILS the first editor may not touch the file: it has changed its user
 * since it opened the file.
 *
 * A commit is lost if its editor died before it notified, or could not notify. No other commit is
 * lost: when no process can go on, every listener has seen the last commit, unless exactly that one
 * is lost. Listeners have a slow timer for that case, which the model leaves out.
 */
#ifndef LISTENERS
#define LISTENERS 2
#endif
#ifndef EDITORS
#define EDITORS 2
#endif
#ifndef COMMITS
#define COMMITS 2
#endif
#ifndef DEATHS
#define DEATHS 0
#endif

byte word; /* the lowest bit: a process listens; above it the number of times it was set */
byte version, deaths;
bit lost[EDITORS * COMMITS + 1]; /* by version */
bit watches[LISTENERS], readable[LISTENERS];
byte seen[LISTENERS];

#if DEATHS
#define DIE :: atomic { deaths < DEATHS -> deaths++; lost[mine] = 1; goto dead }
#else
#define DIE
#endif
#define STEP(action) if :: action DIE fi

/* ipm_listeners_ask */
inline ask() {
  d_step { word = (word + 2) | 1 }
}

/* utimensat */
inline touch() {
  d_step {
    for (n : 0 .. LISTENERS - 1) { readable[n] = readable[n] || watches[n] };
    n = 0
  }
}

inline clear() {
  d_step {
    if
#ifdef NOT_COUNTED
    :: true -> word = word - (word & 1)
#else
    :: word == found -> word = word - 1
#endif
    :: else
    fi
  }
}

/* ipm_listeners_notify */
inline tell() {
  STEP(found = word);
  if
  :: (found & 1) == 0
  :: (found & 1) && fails ->
     lost[mine] = 1;
#ifdef CLEARED_THOUGH_FAILED
     STEP(clear())
#endif
  :: (found & 1) && !fails ->
#ifdef CLEARED_BEFORE_TOUCH
     STEP(clear());
     STEP(touch())
#else
     STEP(touch());
     STEP(clear())
#endif
  fi;
  found = 0
}

proctype Editor(bit fails) {
  byte commits, mine, found, n;
  do
  :: commits == COMMITS -> break
  :: commits < COMMITS ->
#ifdef TOLD_BEFORE_COMMIT
     tell();
     d_step { version++; mine = version };
#else
     STEP(d_step { version++; mine = version }); /* within the write lock */
     tell();
#endif
     commits++; mine = 0
  od;
dead:
  skip
}

proctype Listener(byte me) {
  /* ipm_segment_fd; its caller then looks at the segment */
#ifdef ASKED_BEFORE_WATCH
  ask();
  watches[me] = 1;
#else
  watches[me] = 1;
  ask();
#endif
  seen[me] = version;
end_listening:
  do
  :: readable[me] -> /* ipm_segment_drain */
     readable[me] = 0;
#ifdef LOOK_BEFORE_ASK
     seen[me] = version;
     ask()
#else
     ask();
     seen[me] = version
#endif
  od
}

proctype Monitor() {
  byte n;
  timeout ->
  d_step {
    for (n : 0 .. LISTENERS - 1) { assert(seen[n] == version || lost[version]) }
  }
}

init {
  byte n;
  atomic {
    for (n : 1 .. LISTENERS) { run Listener(n - 1) };
    for (n : 1 .. EDITORS) {
#ifdef FAILS
      run Editor(n == 1)
#else
      run Editor(0)
#endif
    };
    run Monitor()
  }
}
