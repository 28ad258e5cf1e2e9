/*
 * The signatures of commits (transaction.c) under weak memory.
 *
 * First ROUNDS writers run on the machine of machine.pml. Each of them commits, rolls back, or dies
 * at any store, recovery included. Then the reader looks at the last commit: its version, and the
 * two words of its signature, in at most TURNS turns.
 *
 * With SKIPS a commit may skip one version or two, as those of a replica do. One that skips one is
 * signed over the signature of the version before it, which may then be wrong.
 */
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define MESSAGES (1 + ROUNDS * 3) /* at one place */
#ifdef SKIPS
#define MOST 3 /* by which a version grows */
#else
#define MOST 1
#endif

#define PLACES 7
#define SEQ 0
#define VER 1
#define BEFORE 2
#define TIME 3 /* of an even version; the next one is that of an odd version */
#define WHO 5  /* the same */

/* Which of the two signatures belongs to a version. */
#ifdef ONE_PLACE
#define SIDE(version, sequence) 0
#else
#ifdef BY_SEQUENCE
#define SIDE(version, sequence) (((sequence) / 2) % 2)
#else
#define SIDE(version, sequence) ((version) % 2)
#endif
#endif

/* Each weakening takes one order or fence away. */
#ifdef ODD_RELAXED
#define ODD_ORDER RLX
#else
#define ODD_ORDER REL
#endif
#ifdef EVEN_RELAXED
#define EVEN_ORDER RLX
#else
#define EVEN_ORDER REL
#endif
#ifdef UNDONE_RELAXED
#define UNDONE_ORDER RLX
#else
#define UNDONE_ORDER REL
#endif
#ifdef SEQUENCE_LOAD_RELAXED
#define SEQUENCE_LOAD RLX
#else
#define SEQUENCE_LOAD ACQ
#endif

#include "machine.pml"

/* What belongs to each sequence: the version, and the round in which it was committed. */
typedef Commit {
  byte version, round
};
Commit committed[2 * MOST * ROUNDS + 1];
bit signed_over[MOST * ROUNDS + 1]; /* by version */

inline set_committed(at, count, by) {
  d_step {
    committed[at].version = count;
    committed[at].round = by
  }
}

inline undo() {
#ifndef NO_FENCE_BEFORE_UNDO
  release_fence();
#endif
  store(VER, VALUE(BEFORE), RLX);
  OR_DIE;
  set_committed(seq + 1, committed[seq].version, committed[seq].round);
  store(SEQ, seq + 1, UNDONE_ORDER);
  OR_DIE
}

inline begin(skipped) {
#ifndef NO_FENCE_BEFORE_BEFORE
  release_fence();
#endif
  store(BEFORE, VALUE(VER), RLX);
  OR_DIE;
  seq = VALUE(SEQ) + 1 + 2 * (skipped);
  set_committed(seq, committed[VALUE(SEQ)].version, committed[VALUE(SEQ)].round);
  store(SEQ, seq, ODD_ORDER);
#ifndef NO_FENCE_AFTER_ODD
  release_fence();
#endif
  OR_DIE
}

/* ipm_transaction_begin: the version is one less than what the commit will make. */
inline begin_to_skip(skipped) {
  begin(skipped);
  store(VER, VALUE(BEFORE) + skipped, RLX);
  OR_DIE
}

inline sign() {
  if
  :: SIDE(made, seq + 1) == SIDE(VALUE(BEFORE), seq) -> signed_over[VALUE(BEFORE)] = 1
  :: else
  fi;
  store(TIME + SIDE(made, seq + 1), round, RLX);
  OR_DIE;
  store(WHO + SIDE(made, seq + 1), round, RLX);
  OR_DIE
}

/* publish */
inline commit() {
  made = VALUE(VER) + 1;
#ifndef SIGNED_AFTER_EVEN
  sign();
#endif
  store(VER, made, RLX);
  OR_DIE;
  set_committed(seq + 1, made, round);
  store(SEQ, seq + 1, EVEN_ORDER);
  OR_DIE;
#ifdef SIGNED_AFTER_EVEN
  sign()
#else
  skip
#endif
}

#ifdef SKIPS
#define EXCUSED signed_over[v]
#else
#define EXCUSED false
#endif

/* ipm_snapshot_last */
inline look() {
  do
  :: turns == TURNS -> break
  :: turns < TURNS ->
     turns++;
     load(SEQ, SEQUENCE_LOAD, s);
     if
     :: s % 2 == 0 -> load(VER, RLX, v)
     :: else -> load(BEFORE, RLX, v)
     fi;
     load(TIME + SIDE(v, s), RLX, time);
     load(WHO + SIDE(v, s), RLX, who);
#ifndef NO_FENCE_BEFORE_VALIDATION
     acquire_fence();
#endif
     load(SEQ, RLX, t);
     if
     :: t == s ->
        assert(v == committed[s].version);
        assert(time == committed[s].round || EXCUSED);
        assert(who == committed[s].round || EXCUSED);
        break
     :: else
     fi;
     d_step { t = 0; v = 0; time = 0; who = 0 }
  od
}

init {
  byte round, seq, made, turns, s, t, v, time, who;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
     hand_over();
     round++;
     seq = VALUE(SEQ);
     if
     :: seq % 2 == 1 -> undo()
     :: else
     fi;
#ifdef SKIPS
     if
     :: begin(0)
     :: begin_to_skip(1)
     :: begin_to_skip(2)
     fi;
#else
     begin(0);
#endif
     if
     :: true -> commit()
     :: undo()
     fi;
next:
     seq = 0; made = 0
  od;
  seq = 0;
  forget_views();
  look()
}
