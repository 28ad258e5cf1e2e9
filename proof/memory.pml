/*
 * The fences of transaction.c under weak memory.
 *
 * First ROUNDS writers run on the machine of machine.pml. Each of them commits, rolls back, or dies
 * at any store, recovery included. Then the reader takes a snapshot in at most TURNS turns.
 *
 * Each of the two words lies in a block of its own, with a tag each and one tag above both; with
 * ONE_BLOCK both lie in one block. A transaction saves one block, or both at once; with TWO_SAVES
 * also one after the other. The reader copies the blocks one after the other; with NEIGHBOURS, both
 * at once if they come from the same place.
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define MESSAGES (1 + ROUNDS * 3) /* at one place */

#ifdef ONE_BLOCK
#define PLACES 9
#else
#define PLACES 10
#endif
#define SEQ 0
#define VER 1
#define BEFORE 2
#define DATA0 3
#define DATA1 4
#define SHADOW0 5
#define SHADOW1 6
#define TAG0 7
#define ABOVE 8 /* the tag of the upper level */
#ifdef ONE_BLOCK
#define TAG1 TAG0
#else
#define TAG1 9
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
#ifdef TAG_RELAXED
#define TAG_ORDER RLX
#else
#define TAG_ORDER REL
#endif
#ifdef SEQUENCE_LOAD_RELAXED
#define SEQUENCE_LOAD RLX
#else
#define SEQUENCE_LOAD ACQ
#endif
#ifdef TAG_LOAD_RELAXED
#define TAG_LOAD RLX
#else
#define TAG_LOAD ACQ
#endif

#include "machine.pml"

/* The values that belong to each sequence. */
typedef Commit {
  byte data0, data1, version
};
Commit committed[2 * ROUNDS + 1];

inline set_committed(at, value0, value1, count) {
  d_step {
    committed[at].data0 = value0;
    committed[at].data1 = value1;
    committed[at].version = count
  }
}

inline undo_block(data, shadow, tag) {
  if
  :: VALUE(tag) == seq -> store(data, VALUE(shadow), RLX); OR_DIE
  :: else
  fi
}

inline undo() {
#ifndef NO_FENCE_BEFORE_UNDO
  release_fence();
#endif
  undo_block(DATA0, SHADOW0, TAG0);
  undo_block(DATA1, SHADOW1, TAG1);
  store(VER, VALUE(BEFORE), RLX);
  OR_DIE;
  set_committed(seq + 1, committed[seq].data0, committed[seq].data1, committed[seq].version);
  store(SEQ, seq + 1, UNDONE_ORDER);
  OR_DIE
}

inline begin() {
#ifndef NO_FENCE_BEFORE_BEFORE
  release_fence();
#endif
  store(BEFORE, VALUE(VER), RLX);
  OR_DIE;
  seq = VALUE(SEQ) + 1;
  set_committed(seq, VALUE(DATA0), VALUE(DATA1), VALUE(VER));
  store(SEQ, seq, ODD_ORDER);
#ifndef NO_FENCE_AFTER_ODD
  release_fence();
#endif
  OR_DIE
}

/* ipm_transaction_save: each block, then the fence */
inline save_tags(tag) {
  store(ABOVE, seq, RLX);
  OR_DIE;
  store(tag, seq, TAG_ORDER);
  OR_DIE
}

inline save(data, shadow, tag) {
  store(shadow, VALUE(data), RLX);
  OR_DIE;
  save_tags(tag)
}

inline saved() {
#ifndef NO_FENCE_AFTER_TAGS
  release_fence()
#else
  skip
#endif
}

inline change(data) {
  store(data, seq, RLX);
  OR_DIE
}

/* ipm_next_saved for one block: `t` is the block's tag, or 0 if the search does not go down to it. */
inline look(from, tag) {
  if
  :: below < from
  :: else -> load(tag, TAG_LOAD, t)
  fi
}

/* Where the block is to be copied from. */
#define LEFT_OUT 0
#define FROM_DATA 1
#define FROM_SHADOW 2
inline find(tag, source) {
  look(since, tag);
  if
  :: below < since || t < since -> source = LEFT_OUT
  :: else ->
     load(tag, TAG_LOAD, t);
     source = (t == odd -> FROM_SHADOW : FROM_DATA)
  fi;
  t = 0
}

inline copy(source, data, shadow, into) {
  if
  :: source == FROM_DATA -> load(data, RLX, into)
  :: source == FROM_SHADOW -> load(shadow, RLX, into)
  :: else
  fi
}

/* The second look, at what was copied from the struct. */
inline fence_after_data() {
#ifndef NO_FENCE_BEFORE_SHADOW
  acquire_fence()
#else
  skip
#endif
}

inline copy_saved(tag, shadow, into) {
  load(tag, TAG_LOAD, t);
  if
  :: t >= odd -> load(shadow, RLX, into)
  :: else
  fi;
  t = 0
}

/* copy_committed. With NEIGHBOURS the two blocks may be one run. */
#ifdef ONE_BLOCK
inline copy_committed() {
  load(ABOVE, TAG_LOAD, below);
  find(TAG0, source0);
  copy(source0, DATA0, SHADOW0, copy0);
  copy(source0, DATA1, SHADOW1, copy1);
  if
  :: source0 == FROM_DATA ->
     fence_after_data();
     load(ABOVE, TAG_LOAD, below);
     look(odd, TAG0);
     if
     :: t >= odd -> load(SHADOW0, RLX, copy0); load(SHADOW1, RLX, copy1)
     :: else
     fi;
     t = 0
  :: else
  fi;
  d_step { below = 0; source0 = 0 }
}
#else
inline copy_committed() {
  load(ABOVE, TAG_LOAD, below);
  find(TAG0, source0);
#ifdef NEIGHBOURS
  if
  :: source0 != LEFT_OUT ->
     load(TAG1, TAG_LOAD, t);
     d_step {
       if
       :: t >= since && (t == odd) == (source0 == FROM_SHADOW) -> source1 = source0
       :: else
       fi;
       t = 0
     }
  :: else
  fi;
#endif
  copy(source0, DATA0, SHADOW0, copy0);
  copy(source1, DATA1, SHADOW1, copy1);
  if
  :: source0 == FROM_DATA ->
     fence_after_data();
     load(ABOVE, TAG_LOAD, above);
     if
     :: above >= odd -> copy_saved(TAG0, SHADOW0, copy0)
     :: else
     fi
  :: else
  fi;
  if
  :: source1 == FROM_DATA && above >= odd -> copy_saved(TAG1, SHADOW1, copy1)
  :: source1 == LEFT_OUT -> /* a run of its own, or none */
     find(TAG1, source1);
     copy(source1, DATA1, SHADOW1, copy1);
     if
     :: source1 == FROM_DATA ->
        fence_after_data();
        copy_saved(TAG1, SHADOW1, copy1)
     :: else
     fi
  :: else
  fi;
  d_step { below = 0; above = 0; source0 = 0; source1 = 0 }
}
#endif

inline snapshot() {
  do
  :: turns == TURNS -> break
  :: turns < TURNS ->
     turns++;
     load(SEQ, SEQUENCE_LOAD, s);
     if
     :: s % 2 == 0 -> load(VER, RLX, v)
     :: else -> load(BEFORE, RLX, v)
     fi;
     if
     :: since == 0 && s % 2 == 0 ->
#ifdef BEGUN_MEANWHILE
        steps = 1;
#endif
        load(DATA0, RLX, copy0);
        load(DATA1, RLX, copy1)
     :: else ->
#ifndef NO_FENCE_AFTER_VERSION
        acquire_fence();
#endif
        load(SEQ, RLX, t);
        if :: t == s :: else -> goto turned fi;
        d_step { t = 0; odd = s | 1; steps = odd + 1 - s };
        copy_committed()
     fi;
#ifndef NO_FENCE_BEFORE_VALIDATION
     acquire_fence();
#endif
     load(SEQ, RLX, t);
     if
     :: t - s <= steps ->
        assert(copy0 == committed[s].data0);
        assert(copy1 == committed[s].data1);
        assert(v == committed[s].version);
        break
     :: else -> since = s | 1
     fi;
turned:
     t = 0; v = 0; odd = 0; steps = 0
  od
}

init {
  byte round, seq, turns, s, odd, since, steps, t, below, above, source0, source1, v, copy0, copy1;
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
#ifdef ONE_BLOCK
     store(SHADOW0, VALUE(DATA0), RLX);
     OR_DIE;
     store(SHADOW1, VALUE(DATA1), RLX);
     OR_DIE;
     save_tags(TAG0);
     saved();
     change(DATA0);
     change(DATA1);
#else
     if
     :: save(DATA0, SHADOW0, TAG0); saved(); change(DATA0)
     :: save(DATA1, SHADOW1, TAG1); saved(); change(DATA1)
#ifdef TWO_SAVES
     :: save(DATA0, SHADOW0, TAG0); saved(); change(DATA0);
        save(DATA1, SHADOW1, TAG1); saved(); change(DATA1)
#endif
     :: save(DATA0, SHADOW0, TAG0); save(DATA1, SHADOW1, TAG1); saved();
        change(DATA0); change(DATA1)
     fi;
#endif
     if
     :: true ->
        store(VER, VALUE(BEFORE) + 1, RLX);
        OR_DIE;
        set_committed(seq + 1, VALUE(DATA0), VALUE(DATA1), VALUE(VER));
        store(SEQ, seq + 1, EVEN_ORDER)
     :: undo()
     fi;
next:
     seq = 0
  od;
  seq = 0;
  forget_views();
  snapshot()
}
