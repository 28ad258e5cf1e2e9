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
 *
 * With SKIPS a commit may skip a version, as those of a replica do. With CHANGES the reader does not
 * take a snapshot, but asks which blocks have changed since any version (ipm_sequence_after).
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define MESSAGES (1 + ROUNDS * 3) /* at one place */

#ifdef ONE_BLOCK
#define BLOCKS 1
#else
#define BLOCKS 2
#endif
#ifdef CHANGES
#define PLACES (9 + BLOCKS)
#define UNDONE (8 + BLOCKS) /* the version when a transaction was last rolled back */
#else
#define PLACES (8 + BLOCKS)
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
#ifdef SKIPS
#define SEQUENCES (4 * ROUNDS + 1)
#else
#define SEQUENCES (2 * ROUNDS + 1)
#endif
Commit committed[SEQUENCES];
byte seen_at[2 * ROUNDS + 1]; /* the odd sequence of the transaction that made each version, or the one before it */

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
#if defined(CHANGES) && !defined(ROLLBACK_NOT_NOTED)
  store(UNDONE, VALUE(BEFORE), RLX);
  OR_DIE;
#endif
  set_committed(seq + 1, committed[seq].data0, committed[seq].data1, committed[seq].version);
  store(SEQ, seq + 1, UNDONE_ORDER);
  OR_DIE
}

inline begin(skipped) {
#ifndef NO_FENCE_BEFORE_BEFORE
  release_fence();
#endif
  store(BEFORE, VALUE(VER), RLX);
  OR_DIE;
#if defined(CHANGES) && !defined(SKIP_NOT_NOTED)
  if
  :: skipped != 0 -> store(UNDONE, VALUE(VER) + 1, RLX); OR_DIE
  :: else
  fi;
#endif
#ifdef SEQUENCE_KEPT
  seq = VALUE(SEQ) + 1;
#else
  seq = VALUE(SEQ) + 1 + 2 * (skipped);
#endif
  set_committed(seq, VALUE(DATA0), VALUE(DATA1), VALUE(VER));
  store(SEQ, seq, ODD_ORDER);
#ifndef NO_FENCE_AFTER_ODD
  release_fence();
#endif
  OR_DIE
}

/* ipm_transaction_begin: the version is one less than what the commit will make. */
inline begin_to_skip() {
  begin(1);
  store(VER, VALUE(BEFORE) + 1, RLX);
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

#ifdef CHANGES
/* changed.c: the blocks with a tag from ipm_sequence_after on. The value of a word is the sequence of
 * the transaction that changed it. */
inline look_for_change(data, tag, value) {
  load(ABOVE, TAG_LOAD, above);
  load(tag, TAG_LOAD, t);
  assert(value <= seen_at[since] || above >= after && t >= after);
  d_step { above = 0; t = 0 }
}

inline changes() {
  load(SEQ, SEQUENCE_LOAD, s);
  if
  :: s % 2 == 0 -> load(VER, RLX, v)
  :: else -> load(BEFORE, RLX, v)
  fi;
  load(UNDONE, RLX, undone);
  acquire_fence();
  load(SEQ, RLX, t);
  if
  :: t == s ->
     d_step { t = 0; assert(v == committed[s].version) };
     do
     :: since < v -> since++
     :: break
     od;
     after = (since < undone -> 2 * since + 1 : (s | 1) - 2 * (v - since));
     look_for_change(DATA0, TAG0, committed[s].data0);
     look_for_change(DATA1, TAG1, committed[s].data1)
  :: else
  fi
}
#endif

init {
  byte round, seq, made, turns, s, odd, since, steps, t, below, above, source0, source1, v, copy0, copy1, undone, after;
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
     :: begin_to_skip()
     fi;
#else
     begin(0);
#endif
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
        made = VALUE(VER) + 1;
        store(VER, made, RLX);
        OR_DIE;
        set_committed(seq + 1, VALUE(DATA0), VALUE(DATA1), made);
        d_step { seen_at[made - 1] = seen_at[VALUE(BEFORE)]; seen_at[made] = seq };
        store(SEQ, seq + 1, EVEN_ORDER)
     :: undo()
     fi;
next:
     seq = 0; made = 0
  od;
  seq = 0;
  forget_views();
#ifdef CHANGES
  changes()
#else
  snapshot()
#endif
}
