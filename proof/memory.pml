/*
 * The fences of transaction.c under weak memory.
 *
 * A machine of messages and views, as in the operational forms of RC11 (ORC11: Dang and others,
 * "RustBelt meets relaxed memory", POPL 2020): each place in memory is the list of all messages
 * ever stored there; a thread's view says for each place which message it has seen at least; a
 * load takes any message that is not older. A message carries the view that whoever reads it with
 * acquire, or reads it and then makes an acquire fence, takes over: the storing thread's view for
 * a release store, else its view at its last release fence.
 *
 * Writers follow each other under the lock, which hands the view over, but no fence. The reader
 * stores nothing, so it may run when all the writers are done: it still meets every message that
 * its view allows. First ROUNDS writers, each commits, rolls back, or dies at any store, recovery
 * included; then a snapshot of at most TURNS turns.
 *
 * With ONE_BLOCK both words lie in one block.
 */
#ifndef ROUNDS
#define ROUNDS 2
#endif
#ifndef TURNS
#define TURNS 2
#endif
#define MESSAGES (1 + ROUNDS * 3) /* at one place */

#define PLACES 9
#define SEQ 0
#define VER 1
#define BEFORE 2
#define DATA0 3
#define DATA1 4
#define SHADOW0 5
#define SHADOW1 6
#define TAG0 7
#ifdef ONE_BLOCK
#define TAG1 TAG0
#else
#define TAG1 8
#endif

/* Each weakening takes one order or fence away. */
#define REL 1
#define ACQ 1
#define RLX 0
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
#ifdef TAG_AGAIN_RELAXED
#define TAG_AGAIN RLX
#else
#define TAG_AGAIN ACQ
#endif

typedef Message {
  byte value;
  byte view[PLACES]
};
typedef Place {
  byte last;
  Message message[MESSAGES]
};
Place memory[PLACES];

/* The writers' view, and that at the last release fence of the present one. */
byte view[PLACES], fenced[PLACES];

/* What belongs to each sequence. */
typedef Commit {
  byte data0, data1, version
};
Commit committed[2 * ROUNDS + 1];

byte i, message;

/* A writer reads what was stored last: its view has all of it. */
#define VALUE(place) memory[place].message[memory[place].last].value

inline store(place, new, order) {
  d_step {
    message = memory[place].last + 1;
    memory[place].last = message;
    memory[place].message[message].value = new;
    view[place] = message;
    for (i : 0 .. PLACES - 1) {
      memory[place].message[message].view[i] = (order == REL -> view[i] : fenced[i])
    };
    memory[place].message[message].view[place] = message;
    i = 0; message = 0
  }
}

inline release_fence() {
  d_step {
    for (i : 0 .. PLACES - 1) { fenced[i] = view[i] };
    i = 0
  }
}

/* It may die here. */
#define OR_DIE if :: true :: goto next fi

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

inline save_tag(tag) {
  store(tag, seq, TAG_ORDER);
#ifndef NO_FENCE_AFTER_TAG
  release_fence();
#endif
  OR_DIE
}

inline change(data, shadow, tag) {
  store(shadow, VALUE(data), RLX);
  OR_DIE;
  save_tag(tag);
  store(data, seq, RLX);
  OR_DIE
}

inline change_one_block() {
  store(SHADOW0, VALUE(DATA0), RLX);
  OR_DIE;
  store(SHADOW1, VALUE(DATA1), RLX);
  OR_DIE;
  save_tag(TAG0);
  store(DATA0, seq, RLX);
  OR_DIE;
  store(DATA1, seq, RLX);
  OR_DIE
}

/* The reader. Its view, and what an acquire fence adds to it. */
byte seen[PLACES], offered[PLACES];

inline load(place, order, into) {
  atomic {
    message = seen[place];
    do
    :: message < memory[place].last -> message++
    :: break
    od;
    skip;
    d_step {
      into = memory[place].message[message].value;
      seen[place] = message;
      for (i : 0 .. PLACES - 1) {
        if
        :: memory[place].message[message].view[i] > offered[i] ->
           offered[i] = memory[place].message[message].view[i]
        :: else
        fi;
        if
        :: order == ACQ && memory[place].message[message].view[i] > seen[i] ->
           seen[i] = memory[place].message[message].view[i]
        :: else
        fi
      };
      i = 0; message = 0
    }
  }
}

inline acquire_fence() {
  d_step {
    for (i : 0 .. PLACES - 1) {
      if :: offered[i] > seen[i] -> seen[i] = offered[i] :: else fi
    };
    i = 0
  }
}

inline copy_block(copy, data, shadow, tag) {
  load(tag, TAG_LOAD, t);
  if
  :: t < since
  :: else ->
     if
     :: t != s ->
        load(data, RLX, copy);
#ifndef NO_FENCE_BEFORE_AGAIN
        acquire_fence();
#endif
        load(tag, TAG_AGAIN, t)
     :: else
     fi;
     if
     :: t == s -> load(shadow, RLX, copy)
     :: else
     fi
  fi
}

/* One block with both words: the copies lie between the two looks at the one tag. */
inline copy_both_words() {
  load(TAG0, TAG_LOAD, t);
  if
  :: t < since
  :: else ->
     if
     :: t != s ->
        load(DATA0, RLX, copy0);
        load(DATA1, RLX, copy1);
#ifndef NO_FENCE_BEFORE_AGAIN
        acquire_fence();
#endif
        load(TAG0, TAG_AGAIN, t)
     :: else
     fi;
     if
     :: t == s -> load(SHADOW0, RLX, copy0); load(SHADOW1, RLX, copy1)
     :: else
     fi
  fi
}

inline snapshot() {
  do
  :: turns == TURNS -> break
  :: turns < TURNS ->
     turns++;
     load(SEQ, SEQUENCE_LOAD, s);
     if
     :: s % 2 == 0 -> load(VER, RLX, v)
     :: else ->
        load(BEFORE, RLX, v);
#ifndef NO_FENCE_AFTER_VERSION
        acquire_fence();
#endif
        load(SEQ, RLX, t);
        if :: t == s :: else -> goto turned fi
     fi;
     if
     :: since == 0 && s % 2 == 0 -> load(DATA0, RLX, copy0); load(DATA1, RLX, copy1)
     :: else ->
#ifdef ONE_BLOCK
        copy_both_words()
#else
        copy_block(copy0, DATA0, SHADOW0, TAG0);
        copy_block(copy1, DATA1, SHADOW1, TAG1)
#endif
     fi;
#ifndef NO_FENCE_BEFORE_VALIDATION
     acquire_fence();
#endif
     load(SEQ, RLX, t);
     if
     :: t == s || (s % 2 == 1 && t == s + 1) ->
        assert(copy0 == committed[s].data0);
        assert(copy1 == committed[s].data1);
        assert(v == committed[s].version);
        break
     :: else -> since = s | 1
     fi;
turned:
     t = 0; v = 0
  od
}

init {
  byte round, seq, turns, s, since, t, v, copy0, copy1;
  do
  :: round == ROUNDS -> break
  :: round < ROUNDS ->
     /* The lock is handed over: the view, and no fence. */
     d_step {
       for (i : 0 .. PLACES - 1) { fenced[i] = 0 };
       i = 0; round++
     };
     seq = VALUE(SEQ);
     if
     :: seq % 2 == 1 -> undo()
     :: else
     fi;
     begin();
#ifdef ONE_BLOCK
     change_one_block();
#else
     if
     :: change(DATA0, SHADOW0, TAG0)
     :: change(DATA1, SHADOW1, TAG1)
     :: change(DATA0, SHADOW0, TAG0); change(DATA1, SHADOW1, TAG1)
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
  d_step {
    for (i : 0 .. PLACES - 1) { view[i] = 0; fenced[i] = 0 };
    i = 0
  };
  snapshot()
}
