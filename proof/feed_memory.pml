/*
 * The fences of ring.c, feed.c and the parts of transaction.c that belong to the feed, under weak
 * memory.
 *
 * First ROUNDS writers run on the machine of machine.pml. Each of them commits a record, rolls
 * back, or dies at any store, recovery included. Then the reader follows the commits, from any of
 * them on, in at most LOOKS looks at the sequence. The ring has room for one record, which is a
 * header and a body: so each commit overwrites the record before it. Positions count records. The
 * version is left out, because the head has the same orders and grows with it.
 */
#ifndef ROUNDS
#define ROUNDS 3
#endif
#ifndef LOOKS
#define LOOKS 2
#endif
#define MESSAGES (1 + ROUNDS * 3) /* at one place */

#define PLACES 6
#define SEQ 0
#define HEAD 1
#define BEFORE 2
#define TAIL 3
#define HEADER 4
#define BODY 5

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

/* The head that belongs to each sequence, and the writer of the record at each position. */
byte head_at[2 * ROUNDS + 1], writer_of[ROUNDS + 1];

inline undo() {
#ifndef NO_FENCE_BEFORE_UNDO
  release_fence();
#endif
  store(HEAD, VALUE(BEFORE), RLX);
  OR_DIE;
  head_at[seq + 1] = head_at[seq];
  store(SEQ, seq + 1, UNDONE_ORDER);
  OR_DIE
}

inline begin() {
#ifndef NO_FENCE_BEFORE_BEFORE
  release_fence();
#endif
  store(BEFORE, VALUE(HEAD), RLX);
  OR_DIE;
  seq = VALUE(SEQ) + 1;
  head_at[seq] = VALUE(HEAD);
  store(SEQ, seq, ODD_ORDER);
#ifndef NO_FENCE_AFTER_ODD
  release_fence();
#endif
  OR_DIE
}

inline make_room() {
  if
  :: VALUE(HEAD) > VALUE(TAIL) ->
     store(TAIL, VALUE(HEAD), RLX);
     OR_DIE;
#ifndef NO_FENCE_AFTER_TAIL
     release_fence()
#endif
  :: else
  fi
}

inline commit() {
#ifndef TAIL_AFTER_BYTES
  make_room();
#endif
  store(HEADER, round, RLX);
  OR_DIE;
  store(BODY, round, RLX);
  OR_DIE;
#ifdef TAIL_AFTER_BYTES
  make_room();
#endif
  d_step { writer_of[VALUE(HEAD)] = round; head_at[seq + 1] = VALUE(HEAD) + 1 }
  store(HEAD, VALUE(BEFORE) + 1, RLX);
  OR_DIE;
  store(SEQ, seq + 1, EVEN_ORDER)
}

/* returns whether the tail has not overtaken the reader, in `t` */
inline look_at_tail() {
  load(TAIL, RLX, t);
  t = (t <= position)
}

inline read_record() {
  load(HEADER, RLX, copy);
  load(BODY, RLX, body);
#ifndef NO_FENCE_AFTER_COPY
  acquire_fence();
#endif
  look_at_tail();
  if
  :: t ->
     assert(copy == writer_of[position] && body == writer_of[position]);
     position++
  :: else -> break
  fi
}

inline follow() {
  do
  :: looks == LOOKS -> break
  :: looks < LOOKS ->
     looks++;
     load(SEQ, SEQUENCE_LOAD, s);
     if
     :: s % 2 == 0 -> load(HEAD, RLX, h)
     :: else -> load(BEFORE, RLX, h)
     fi;
#ifndef NO_FENCE_BEFORE_VALIDATION
     acquire_fence();
#endif
     load(SEQ, RLX, t);
     if
     :: t == s ->
        assert(h == head_at[s]);
        if
        :: position < h -> read_record()
        :: else
        fi
     :: else
     fi;
     t = 0; h = 0; copy = 0; body = 0
  od
}

init {
  byte round, seq, looks, s, t, h, position, copy, body;
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
     begin();
     if
     :: commit()
     :: undo()
     fi;
next:
     seq = 0
  od;
  seq = 0; round = 0;
  forget_views();
  do
  :: position < ROUNDS -> position++
  :: break
  od;
  follow()
}
