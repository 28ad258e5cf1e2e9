/*
 * No process starves, and none waits for a dead one: src/core/queue.c, and take_gate in rwlock.c.
 *
 * WRITERS lock again and again. READERS read again and again, or once with ONCE. A mutex goes to
 * any process that asks for it. The scheduler is weakly fair. Each reader has a slot of its own, so
 * only a writer waits for slots. Of the processes that queue, DEATHS die, TIMEOUTS give up, and
 * STOPS are stopped for ever. The observed process does none of that (OBSERVED is its number;
 * writers come first). There are PLACES, and tickets are counted modulo four times as many.
 *
 * A process that waits for a place, and whose slice has ended, sets the urgent word; a slice may
 * end at any time. It finds the gate free then only if a process is stopped: see README.md.
 */
#ifndef WRITERS
#define WRITERS 2
#endif
#ifndef READERS
#define READERS 1
#endif
#ifndef OBSERVED
#define OBSERVED 0
#endif
#ifndef PLACES
#define PLACES (WRITERS + READERS + 1)
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef STOPS
#define STOPS 0
#endif

#define TICKETS (4 * PLACES)
#define LATER(a, b) ((a + TICKETS - b) % TICKETS > 0 && (a + TICKETS - b) % TICKETS < TICKETS / 2)
#define MAY (me != OBSERVED)

bit flag;
bit gate;             /* locked */
bit slot[READERS + 1]; /* locked */
bit urgent;
byte tickets;
bit locked[PLACES], served[PLACES];
byte ticket[PLACES];

byte deaths, timeouts, stops;
byte first;           /* how many wait for the gate as the first in the queue */
bit wants;            /* the observed process waits for the lock */

#if DEATHS
#define DIE :: atomic { MAY && deaths < DEATHS -> deaths++; goto dead }
#else
#define DIE
#endif
#if TIMEOUTS
#define GIVE_UP(busy) :: atomic { MAY && (busy) && timeouts < TIMEOUTS -> timeouts++; goto leave }
#else
#define GIVE_UP(busy)
#endif
#if STOPS
#define STOP :: atomic { MAY && stops < STOPS -> stops++; goto end }
#else
#define STOP
#endif
#define STEP(action) if :: action DIE STOP fi
#define LAST_STEP(action) if :: action DIE fi

/* After a slice of the wait for a place. */
#if STOPS && !defined(NOBODY_TRIES)
#define SLICE_OVER :: atomic { stops > 0 && !gate -> gate = 1; has_gate = 1; goto leave }
#else
#define SLICE_OVER
#endif

#define MINE (mine % PLACES)
#define BEFORE (before % PLACES)
#define NEXT(number) ((number + 1) % TICKETS)
#define PREVIOUS(number) ((number + TICKETS - 1) % TICKETS)

/* is_taken_anew */
#ifdef LATER_WAITED_FOR
#define TAKEN_ANEW false
#else
#define TAKEN_ANEW LATER(ticket[BEFORE], before)
#endif

/* is_over, with the place locked */
#ifdef ONE_LOOK
#define OVER true
#else
#define OVER (LATER(ticket[BEFORE], before) || (ticket[BEFORE] == before && served[BEFORE]))
#endif

proctype Process(byte me; bit reads) {
  byte mine, before, i;
  bit placed, looks, has_gate, is_first, over;
again:
  if
  :: reads ->
     slot[me - WRITERS] = 1;
     if
     :: !flag -> goto held
     :: flag -> slot[me - WRITERS] = 0
     fi
  :: else
  fi;
  if :: me == OBSERVED -> wants = 1 :: else fi;

  /* take_gate */
  if
  :: !urgent ->
     if
     :: atomic { !gate -> gate = 1; has_gate = 1 }; goto inside
     :: gate
     fi
#ifdef URGENCY_IGNORED
  :: urgent ->
     if
     :: atomic { !gate -> gate = 1; has_gate = 1 }; goto inside
     :: gate
     fi
#else
  :: urgent
#endif
  fi;

#ifdef NO_QUEUE
  goto as_first;
#endif
#ifdef READERS_ALONE_QUEUE
  if :: !reads -> goto as_first :: else fi;
#endif

join:
#if defined(TICKET_FIRST)
  d_step { mine = tickets; tickets = NEXT(tickets) };
  atomic { !locked[MINE] -> locked[MINE] = 1; placed = 1 };
#elif defined(BY_STEPS)
  mine = tickets;
  if
  :: atomic { !locked[MINE] -> locked[MINE] = 1; placed = 1 }
  :: locked[MINE] && tickets != mine -> goto join
  GIVE_UP(locked[MINE])
  fi;
  if
  :: atomic { tickets == mine -> tickets = NEXT(tickets) }
  :: atomic { tickets != mine -> locked[MINE] = 0; placed = 0 }; goto join
  DIE
  fi;
#else
  if
  :: atomic { !locked[tickets % PLACES] -> mine = tickets; locked[MINE] = 1; placed = 1; tickets = NEXT(tickets) }
  GIVE_UP(locked[tickets % PLACES])
#if STOPS
  :: atomic { MAY && stops < STOPS && !locked[tickets % PLACES] -> stops++; locked[tickets % PLACES] = 1; goto end }
#endif
  SLICE_OVER
  fi;
#endif
#if !defined(SERVED_KEPT) && !defined(SERVED_LAST)
  STEP(served[MINE] = 0);
#endif
  STEP(ticket[MINE] = mine);
#ifdef SERVED_LAST
  STEP(served[MINE] = 0);
#endif

  /* move_up */
  before = PREVIOUS(mine);
  do
  :: (before + PLACES) % TICKETS == mine -> break
  :: (before + PLACES) % TICKETS != mine && TAKEN_ANEW -> break
  :: atomic { (before + PLACES) % TICKETS != mine && !locked[BEFORE] -> locked[BEFORE] = 1; looks = 1 };
     over = OVER;
     STEP(d_step { locked[BEFORE] = 0; looks = 0 });
     if
     :: over -> break
     :: else -> before = PREVIOUS(before)
     fi
  :: atomic { locked[BEFORE] && gate && !urgent -> urgent = 1 } /* after a slice */
  GIVE_UP(locked[BEFORE])
  SLICE_OVER
  DIE
  STOP
  od;

as_first:
  atomic { is_first = 1; first++; over = 0; before = 0 };
#ifdef ALONE
  assert(first == 1);
#endif
  do
  :: atomic { !gate -> gate = 1; has_gate = 1 }; break
#ifndef NOT_URGENT
  :: atomic { gate && !urgent -> urgent = 1 }
#endif
  GIVE_UP(gate)
  DIE
  STOP
  od;

leave:
  atomic { first = first - is_first; is_first = 0; over = 0; before = 0 };
  if
  :: placed ->
#ifndef URGENCY_KEPT
     if
     :: has_gate && !(reads && tickets != NEXT(mine)) -> LAST_STEP(urgent = 0)
     :: else
     fi;
#endif
     LAST_STEP(served[MINE] = has_gate);
     LAST_STEP(d_step { locked[MINE] = 0; placed = 0; mine = 0 })
  :: else
  fi;
  if :: !has_gate -> goto again :: else fi;

inside:
  mine = 0;
  if
  :: reads ->
     slot[me - WRITERS] = 1;
     flag = 0
  :: else ->
     flag = 1;
     for (i : 0 .. READERS - 1) { !slot[i] };
     i = 0;
     flag = 0
  fi;
  atomic { gate = 0; has_gate = 0 };
held:
  if :: me == OBSERVED -> wants = 0 :: else fi;
  if :: reads -> slot[me - WRITERS] = 0 :: else fi;
#ifdef ONCE
  if :: reads -> goto end :: else fi;
#endif
  goto again;

dead: /* the kernel unlocks */
  atomic {
    if :: placed -> locked[MINE] = 0 :: else fi;
    if :: looks -> locked[BEFORE] = 0 :: else fi;
    if :: has_gate -> gate = 0 :: else fi;
    first = first - is_first
  };
end:
  skip
}

init {
  byte n;
  atomic {
    for (n : 0 .. WRITERS + READERS - 1) { run Process(n, n >= WRITERS) };
    n = 0
  }
}

ltl in { [] (wants -> <> !wants) }
ltl mended { [] <> !urgent }
