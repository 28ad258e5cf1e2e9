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
 * With SKIPS a commit may skip a version, as those of a replica do. Its record says so by a bit, and
 * does not say which version it leads from.
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

/* A record: its position; its version, whether it skips, and its size; its body of one or two words. */
#define HEADER 2
#define WORD(version, skips, size) ((version) * 16 + (skips) * 8 + (size))
#define SIZE_OF(word) ((word) % 8)
#define SKIPS_OF(word) ((word) / 8 % 2)
#define VERSION_OF(word) ((word) / 16)
#define AT(position) ring[(position) % RING]

#ifdef SKIPS
#define VERSIONS (2 * TRANSACTIONS)
#else
#define VERSIONS TRANSACTIONS
#endif

byte ring[RING];
byte seq, ver, before, head, head_before, tail;

/* The assertions use these: what was committed, by version. */
byte mark[VERSIONS + 1], size[VERSIONS + 1];
byte comes_after[VERSIONS + 1]; /* the version before it */
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
#ifdef SKIP_UNMARKED
  STEP(AT(head + 1) = WORD(ver + 1, 0, n));
#else
  STEP(AT(head + 1) = WORD(ver + 1, ver != before, n));
#endif
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
    comes_after[ver] = good_ver;
    good_ver = ver;
    mark[good_ver] = number;
    size[good_ver] = n;
    seq++
  }
}

/* The version is raised to one less than what the commit will make, and the sequence with it. */
inline begin_to_skip() {
#ifdef VERSION_BEFORE_ODD
  STEP(ver = ver + 1);
#endif
  STEP(before = good_ver);
  STEP(head_before = head);
  STEP(seq = seq + 3);
#ifndef VERSION_BEFORE_ODD
  STEP(ver = ver + 1)
#endif
}

inline commit() {
  atomic { make_room() }
#ifndef TAIL_AFTER_BYTES
  STEP(tail = room);
#endif
#ifdef EVEN_BEFORE_RECORD
  STEP(ver = ver + 1);
  STEP(publish());
  write_record();
  STEP(head = head + n)
#else
  write_record();
#ifdef TAIL_AFTER_BYTES
  STEP(tail = room);
#endif
#ifdef HEAD_AFTER_EVEN
  STEP(ver = ver + 1);
  STEP(publish());
  STEP(head = head + n)
#else
  STEP(head = head + n);
  STEP(ver = ver + 1);
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
#ifdef SKIPS
     if
     :: begin()
     :: begin_to_skip()
     fi;
#else
     begin();
#endif
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

/* Whether the record can lead from that version to its own. */
#define FOLLOWS(version) \
  (SKIPS_OF(second) -> VERSION_OF(second) > version : VERSION_OF(second) == version + 1)

#ifdef NO_LAST_LOOK
#define LAST_LOOK true
#else
#define LAST_LOOK tried
#endif

#define IS_RECORD(version) assert(first == p && SIZE_OF(second) == size[version])
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
  base = v; from = h; applied = 0; whole = 1; gap = 0; unknown = 0;
  p = tail;
  do
  :: p >= h -> break
  :: p < h ->
     read_record();
     if
     :: !tried -> p = tail /* what was applied is gone, too: the last look finds that out */
     :: tried ->
        assert(first == p);
        if
        :: applied == 0 -> p = p + SIZE_OF(second) /* it is older, or not used */
        :: applied != 0 && !FOLLOWS(applied) -> whole = 0; break
        :: VERSION_OF(second) > told && (applied == 0 || FOLLOWS(applied)) ->
           IS_RECORD(VERSION_OF(second));
           IS_BODY(VERSION_OF(second));
           if
           :: applied == 0 ->
              /* If it skips, it is not known which version it leads from. */
              unknown = SKIPS_OF(second);
#ifdef VERSION_BEFORE_TOLD
              base = VERSION_OF(second) - 1;
#else
              base = (unknown -> told : VERSION_OF(second) - 1);
#endif
              from = p
           :: else -> gap = gap | (comes_after[VERSION_OF(second)] != applied)
           fi;
           applied = VERSION_OF(second);
           p = p + SIZE_OF(second)
        fi
     fi
  od;
  if
  :: whole && applied != 0 -> p = from; read_record(); whole = LAST_LOOK
  :: else
  fi;
  if
  :: whole && (applied == 0 || applied == v) -> assert(!gap)
  :: else -> base = v; from = h; unknown = 0
  fi;
  assert(base >= told && (base == told || size[base] != 0));
  told = base; pos = from;
  base = 0; from = 0; applied = 0; whole = 0; gap = 0
}

active [READERS] proctype Reader() {
  byte told, pos;                /* the last version told, and where the next record lies */
  byte s, v, h, p, first, second, body, rest, base, from, applied;
  bit tried, whole, gap;
  bit unknown;                   /* the next record may lead from a later version than `told` */
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
        :: tried && FOLLOWS(told) ->
           IS_RECORD(VERSION_OF(second));
           IS_BODY(VERSION_OF(second));
           assert(unknown || comes_after[VERSION_OF(second)] == told);
           told = VERSION_OF(second);
           unknown = 0;
           pos = pos + SIZE_OF(second)
        :: tried && !FOLLOWS(told) -> assert(false)
        :: !tried -> seek()
        fi
     fi;
     d_step { s = 0; v = 0; h = 0; p = 0; first = 0; second = 0; body = 0; rest = 0; tried = 0 }
  od
}
