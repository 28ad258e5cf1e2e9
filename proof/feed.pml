/*
 * The feed: src/core/ring.c, feed.c and the parts of transaction.c that belong to it, under
 * sequential consistency (weak memory: feed_memory.pml).
 *
 * Writers follow each other under the lock, so one process plays all of them. It makes TRANSACTIONS
 * transactions. Each commits a record of two sizes, or is rolled back, or dies before any of its
 * stores, recovery included. The ring has room for two or three records, and positions wrap around.
 * READERS follow the commits; each load is a step. A reader reads as fast as it likes, so it keeps
 * up or falls behind. When it has fallen behind, it takes a snapshot, and goes back from there by
 * the records that the ring still has.
 *
 * A word of a record's body holds its transaction's number. So a reader can tell whose it is. The
 * struct itself is left out: that a snapshot is whole is checked in lock.pml.
 */
#ifndef TRANSACTIONS
#define TRANSACTIONS 4
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef RING
#define RING 7 /* words */
#endif

/* A record: its position; its version and its size; its body of one or two words. */
#define HEADER 2
#define SIZE_OF(word) ((word) % 8)
#define VERSION_OF(word) ((word) / 8)
#define AT(position) ring[(position) % RING]

byte ring[RING];
byte seq, ver, before, head, head_before, tail;

/* The assertions use these: what was committed, by version. */
byte mark[TRANSACTIONS + 1], size[TRANSACTIONS + 1], place[TRANSACTIONS + 1];
byte good_head, good_ver;
byte deaths;
bit over;

#if DEATHS
#define STEP(action) if :: action :: atomic { deaths < DEATHS -> deaths++; goto dead } fi
#else
#define STEP(action) action
#endif

/* ---- Writers ------------------------------------------------------------------------------ */

inline undo() {
#ifndef UNDO_KEEPS_HEAD
  STEP(head = head_before);
#endif
  STEP(ver = before);
  STEP(d_step { assert(head == good_head && ver == good_ver); seq++ })
}

inline begin() {
#ifdef BEFORE_AFTER_ODD
  STEP(seq++);
  STEP(before = ver);
  STEP(head_before = head)
#else
  STEP(before = ver);
  STEP(head_before = head);
  STEP(seq++)
#endif
}

/* make_room: over whole records, in private, then one store */
inline make_room() {
  room = tail;
#if defined(EVICTS_ONE)
  if
  :: head + n - room > RING -> room = room + SIZE_OF(AT(room + 1))
  :: else
  fi
#elif defined(EVICTS_PART)
  if
  :: head + n - room > RING -> room = head + n - RING
  :: else
  fi
#else
  do
  :: head + n - room > RING -> room = room + SIZE_OF(AT(room + 1))
  :: else -> break
  od
#endif
}

inline write_record() {
  STEP(AT(head) = head);
  STEP(AT(head + 1) = (before + 1) * 8 + n);
  i = HEADER;
  do
  :: i < n -> STEP(AT(head + i) = number); i++
  :: else -> break
  od;
  i = 0
}

inline publish() {
  d_step {
    good_head = good_head + n;
    good_ver++;
    mark[good_ver] = number;
    size[good_ver] = n;
    place[good_ver] = good_head - n;
    seq++
  }
}

inline commit() {
  atomic { make_room() }
#ifndef TAIL_AFTER_BYTES
  STEP(tail = room);
#endif
#ifdef EVEN_BEFORE_RECORD
  STEP(ver = before + 1);
  STEP(publish());
  write_record();
  STEP(head = head + n)
#else
  write_record();
#ifdef TAIL_AFTER_BYTES
  STEP(tail = room);
#endif
#ifdef HEAD_AFTER_EVEN
  STEP(ver = before + 1);
  STEP(publish());
  STEP(head = head + n)
#else
  STEP(head = head + n);
  STEP(ver = before + 1);
  STEP(publish())
#endif
#endif
}

active proctype Writers() {
  byte number, n, room, i;
  do
  :: number == TRANSACTIONS -> break
  :: number < TRANSACTIONS ->
     number++;
     if
     :: seq % 2 == 1 -> undo()
     :: else
     fi;
     begin();
     if
     :: n = HEADER + 1; commit()
     :: n = HEADER + 2; commit()
     :: undo()
     fi;
dead:
     skip;
     d_step { n = 0; room = 0; i = 0 }
  od;
  over = 1
}

/* ---- Readers ------------------------------------------------------------------------------ */

/* version_at and has_gone_on: the version and the head that count at one sequence. With `tried` 0 the
 * sequence has changed meanwhile. A snapshot's turn loads and checks them in the same way. */
inline look() {
  s = seq;
  if
#ifdef NO_HEAD_BEFORE
  :: true -> h = head; v = (s % 2 == 0 -> ver : before)
#else
  :: s % 2 == 0 -> v = ver; h = head
  :: s % 2 == 1 -> v = before; h = head_before
#endif
  fi;
#ifdef HEAD_UNCHECKED
  tried = 1
#else
  tried = (s == seq)
#endif
}

/* ipm_ring_copy: the record at `p`, before the head `h`. `tried` says whether the tail has not passed
 * it. A copy goes up to the head, whatever the record's size. */
inline read_record() {
  first = AT(p);
  second = AT(p + 1);
  body = AT(p + HEADER);
  if
  :: p + HEADER + 1 < h -> rest = AT(p + HEADER + 1)
  :: else -> rest = body
  fi;
#ifdef NO_LOOK_AT_TAIL
  tried = 1
#else
  tried = (p >= tail)
#endif
}

#define IS_RECORD(version) \
  assert(first == p && VERSION_OF(second) == version && SIZE_OF(second) == size[version])
#define IS_BODY(version) \
  assert(body == mark[version] && (size[version] == HEADER + 1 || rest == mark[version]))

/* The snapshot has version `v`, and its head is `h`. Go back to the oldest version after `told`, or
 * start at any record: the code starts at the tail or half-way. */
inline seek() {
  do
  :: look(); if :: tried -> break :: else fi
  od;
#ifdef HEAD_OF_LATER
  h = (seq % 2 == 0 -> head : head_before);
#endif
  base = v; from = h; applied = 0;
  p = tail;
  do
  :: p >= h -> break
  :: p < h ->
     read_record();
     if
     :: !tried && applied == 0 -> p = tail
#ifdef GOES_ON_SPOILED
     :: !tried && applied != 0 -> p = tail
#else
     :: !tried && applied != 0 -> base = v; from = h; applied = 0; break
#endif
     :: tried ->
        assert(first == p);
        if
        :: applied == 0 -> p = p + SIZE_OF(second) /* it is older, or not used */
        :: VERSION_OF(second) > told ->
           IS_RECORD(VERSION_OF(second));
           IS_BODY(VERSION_OF(second));
           if
           :: applied == 0 -> base = VERSION_OF(second) - 1; from = p
           :: else -> assert(VERSION_OF(second) == applied + 1)
           fi;
           applied = VERSION_OF(second);
           p = p + SIZE_OF(second)
        fi
     fi
  od;
  assert(applied == 0 || applied == v);
  assert(base >= told);
  told = base; pos = from;
  base = 0; from = 0; applied = 0
}

active [READERS] proctype Reader() {
  byte told, pos;                /* the last version told, and where the next record lies */
  byte s, v, h, p, first, second, body, rest, base, from, applied;
  bit tried;
  do
  :: over && told == good_ver -> break
  :: over && told < good_ver || !over ->
     look();
     if
     :: !tried || v == told
     :: tried && v > told ->
        assert(pos < h);
        p = pos;
        read_record();
        if
        :: tried ->
           IS_RECORD(told + 1);
           IS_BODY(told + 1);
           told++;
           pos = pos + SIZE_OF(second)
        :: else -> seek()
        fi
     fi;
     d_step { s = 0; v = 0; h = 0; p = 0; first = 0; second = 0; body = 0; rest = 0; tried = 0 }
  od
}
