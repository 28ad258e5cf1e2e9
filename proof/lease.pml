/*
 * A segment on two machines: the lease, its epoch, the deadline in the file, taking over, and what
 * the server accepts.
 *
 * On each machine there is a data file, a process `share` and an editor. A process may be slow at
 * any step, which is a stop of any length. The file survives a kill of the share process. The
 * server may restart, empty or with an older state. An answer may be lost, and then the request may
 * be executed later, or never; a restart of the server breaks all connections.
 *
 * Time goes by in ticks of the server's clock. A deadline lasts for LASTS of them at most: the time
 * that the machine counts, and SKEW for a clock that is slow. It may end at any moment before.
 *
 * A commit's number stands for the struct's bytes. Its version is one more than its parent's. All
 * machines count versions alike (`ahead` is 0).
 */
#ifndef COMMITS
#define COMMITS 1
#endif
#ifndef GRANTS
#define GRANTS 1
#endif
#ifndef DEATHS
#define DEATHS 0
#endif
#ifndef REBOOTS
#define REBOOTS 0
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef LATES
#define LATES 0
#endif

#ifndef LEASE
#define LEASE 1
#endif
#define SKEW 1
#ifdef NO_MARGIN
#define LASTS (LEASE + SKEW)
#else
#define LASTS LEASE
#endif
#define FOR_EVER 9 /* a deadline of another boot, whose clock has begun again */

/* ---- Commits ------------------------------------------------------------------------------ */

byte commits;
byte parent[COMMITS + 1], version[COMMITS + 1], past[COMMITS + 1]; /* past: itself and its ancestors, a bit each */

#define IN(number) (1 << (number))
#define HAS(state, number) ((past[state] & IN(number)) != 0)
#define BEFORE(epoch1, state1, epoch2, state2) \
  ((epoch1) < (epoch2) || (epoch1) == (epoch2) && version[state1] < version[state2])

/* The assertions use these. */
byte accepted;                 /* commits that the server has accepted */
byte lost;                     /* those of them that the server has lost */
byte made[2], saved[2];        /* on each machine: made by its editor; saved to a log */
byte history[GRANTS + 2];      /* the last commit accepted in each epoch */
byte newest;                   /* the highest epoch ever granted */
byte publisher;                /* the machine whose commit was accepted last */

/* ---- The server ---------------------------------------------------------------------------- */

typedef Server {
  byte holder, lease_epoch, left; /* the lease: 0 or machine + 1 */
  byte granted;                   /* the highest epoch */
  bit stored;
  byte epoch, state;              /* meta, and the state */
  bit entry;                      /* the last commit has a patch in the log: from .. to state */
  byte from_epoch, from
};
Server server, old;
byte grace;
byte losses;
bit kept;

mtype = { ACQUIRE, RENEW, RELEASE, COMMIT };
#define NONE 0
#define YES 1
#define NO 2
#define BEHIND 3

typedef Request {
  mtype op;
  bit waits, fresh, reclaim;
  byte by, epoch, prev, base, state
};
Request request[2], late;
byte lates;
byte answer[2], granted[2];

#define HOLDS(r) (server.holder == r.by + 1 && server.left > 0 && server.lease_epoch == r.epoch)
#ifdef PREV_NOT_CHECKED
#define FOLLOWS(r) true
#else
#define FOLLOWS(r) (server.stored && r.prev == server.epoch && version[r.base] == version[server.state])
#endif
#ifdef FRESH_NOT_CHECKED
#define IS_NEWER(r) true
#else
#define IS_NEWER(r) (!server.stored || BEFORE(server.epoch, server.state, r.epoch, r.state))
#endif
#ifdef NO_GRACE
#define MAY_ACQUIRE(r) true
#else
#define MAY_ACQUIRE(r) (grace == 0 || r.reclaim)
#endif

inline acquire(r) {
  if
  :: server.holder != 0 && server.left > 0 && server.holder != r.by + 1 -> result = NO
  :: else ->
     if
     :: !MAY_ACQUIRE(r) || newest == GRANTS + 1 -> result = NO
     :: else ->
#ifdef EPOCHS_COUNTED
        server.granted = (r.epoch > server.granted -> r.epoch : server.granted) + 1;
#else
#ifdef EPOCH_KEPT
        server.granted = (r.epoch > server.granted -> r.epoch : server.granted);
#else
        server.granted = newest + 1; /* the time in milliseconds is greater than any before */
#endif
        assert(server.granted > newest);
#endif
        newest = (server.granted > newest -> server.granted : newest);
        server.holder = r.by + 1;
        server.lease_epoch = server.granted;
        server.left = LEASE;
        result = YES
     fi
  fi
}

inline commit(r) {
  if
#ifndef COMMITS_UNFENCED
  :: !HOLDS(r) -> result = NO
#endif
  :: else ->
     if
     :: r.fresh && !IS_NEWER(r) || !r.fresh && !FOLLOWS(r) -> result = BEHIND
     :: else ->
        /* One history: it goes on from the accepted state, and the patch fits it. */
        assert(!server.stored || HAS(r.state, server.state));
        assert(r.fresh || r.base == server.state);
        assert(HAS(r.state, history[r.epoch]));
        history[r.epoch] = r.state;
        publisher = r.by;
        accepted = accepted | past[r.state];
        server.from_epoch = server.epoch;
        server.from = server.state;
        server.entry = !r.fresh;
        server.stored = 1;
        server.epoch = r.epoch;
        server.state = r.state;
        result = YES
     fi
  fi
}

inline execute(r) {
  if
  :: r.op == ACQUIRE -> acquire(r)
  :: r.op == RENEW ->
     if
     :: HOLDS(r) -> server.left = LEASE; result = YES
     :: else -> result = NO
     fi
  :: r.op == RELEASE ->
     if
     :: HOLDS(r) -> server.holder = 0; server.lease_epoch = 0; server.left = 0
     :: else
     fi;
     result = YES
  :: r.op == COMMIT -> commit(r)
  fi;
  r.waits = 0
}

inline copy_server(to, source) {
  to.holder = source.holder; to.lease_epoch = source.lease_epoch; to.left = source.left;
  to.granted = source.granted; to.stored = source.stored; to.epoch = source.epoch; to.state = source.state;
  to.entry = source.entry; to.from_epoch = source.from_epoch; to.from = source.from
}

inline forget_server() {
  server.holder = 0; server.lease_epoch = 0; server.left = 0; server.granted = 0;
  server.stored = 0; server.epoch = 0; server.state = 0; server.entry = 0;
  server.from_epoch = 0; server.from = 0
}

inline clear(r) {
  r.op = 0; r.waits = 0; r.fresh = 0; r.reclaim = 0; r.by = 0; r.epoch = 0; r.prev = 0;
  r.base = 0; r.state = 0
}

proctype Redis() {
  byte result, before;
  do
  :: d_step { request[0].waits -> execute(request[0]); answer[0] = result; granted[0] = server.granted; clear(request[0]); result = 0 }
  :: d_step { request[1].waits -> execute(request[1]); answer[1] = result; granted[1] = server.granted; clear(request[1]); result = 0 }
  :: d_step { late.waits -> execute(late); clear(late); result = 0 }
#if LOSSES
#ifdef OLD
  :: d_step { !kept && losses < LOSSES -> kept = 1; copy_server(old, server) }
#endif
  :: atomic {
       losses < LOSSES ->
       losses++;
       before = (server.stored -> past[server.state] : 0);
       if
       :: kept -> d_step { copy_server(server, old); kept = 0 }
       :: d_step { forget_server(); kept = 0 }
       fi;
       d_step {
         lost = lost | (before & ~(server.stored -> past[server.state] : 0));
         before = 0;
         grace = LEASE;
#ifndef CONNECTIONS_SURVIVE
         clear(request[0]); clear(request[1]); clear(late)
#endif
       }
     }
#endif
  od
}

/* ---- A machine ----------------------------------------------------------------------------- */

typedef File {
  bit home;
  byte left;                   /* until the deadline */
  byte epoch, state
};
File file[2];
bit locked[2];
byte until[2];                 /* until the deadline that the request will give */
bit killed[2];
byte deaths, reboots;

#define MAY_EDIT(machine) (file[machine].home && file[machine].left > 0)

inline tick(counter) { if :: counter > 0 && counter < FOR_EVER -> counter-- :: else fi }

proctype Time() {
  do
  :: d_step {
       tick(server.left); tick(old.left); tick(grace);
       tick(file[0].left); tick(file[1].left); tick(until[0]); tick(until[1])
     }
  od
}

/* The deadline counts from before the request. */
#ifdef DEADLINE_FROM_ANSWER
#define BEFORE_SENDING 0
#define AFTER_ANSWER until[me] = LASTS
#else
#define BEFORE_SENDING LASTS
#define AFTER_ANSWER skip
#endif

#ifdef RECLAIMS_ANY_TIME
#define MAY_RECLAIM file[me].home
#else
#define MAY_RECLAIM MAY_EDIT(me)
#endif

proctype Editor(byte me) {
  do
  :: atomic { commits < COMMITS && !locked[me] && MAY_EDIT(me) -> locked[me] = 1 };
     if
#ifdef NOT_LOOKED_AT_COMMIT
     :: atomic {
#else
     :: atomic { MAY_EDIT(me) ->
#endif
          assert(!MAY_EDIT(1 - me));
          assert(!server.stored || HAS(file[me].state, server.state))
        };
        d_step {
          if
          :: commits < COMMITS ->
             commits++;
             parent[commits] = file[me].state;
             version[commits] = version[file[me].state] + 1;
             past[commits] = past[file[me].state] | IN(commits);
             made[me] = made[me] | IN(commits);
             file[me].state = commits
          :: else
          fi;
          locked[me] = 0
        }
     :: locked[me] = 0
     fi
  od
}

/* ---- The share process ---------------------------------------------------------------------- */

inline ask(what, at) {
  until[me] = (what == RENEW || what == ACQUIRE -> BEFORE_SENDING : 0);
  request[me].op = what; request[me].by = me; request[me].epoch = at; request[me].waits = 1
}

/* The connection is lost: the request may still be executed. */
inline lose() {
  if
  :: request[me].waits && !late.waits && lates < LATES ->
     lates++;
     late.op = request[me].op; late.waits = 1; late.fresh = request[me].fresh;
     late.reclaim = request[me].reclaim; late.by = me; late.epoch = request[me].epoch;
     late.prev = request[me].prev; late.base = request[me].base; late.state = request[me].state
  :: true
  fi;
  clear(request[me]);
  answer[me] = NONE; granted[me] = 0; until[me] = 0
}

#define ANSWERED(what) d_step { answer[me] == what -> answer[me] = NONE }

inline read_meta() {
  stored = server.stored; at_epoch = server.epoch; at_state = server.state;
  entry = server.entry; from_epoch = server.from_epoch; from = server.from
}

inline forget_meta() {
  stored = 0; at_epoch = 0; at_state = 0; entry = 0; from_epoch = 0; from = 0
}

#define IS_BEHIND(an_epoch, a_state) \
  (file[me].epoch == 0 || BEFORE(file[me].epoch, file[me].state, an_epoch, a_state))

/* The file gets another state. What was committed here and is not part of it must have been saved,
 * and another machine has published since. If the server had accepted it, the server has lost it. */
inline take_state(new) {
  gone = made[me] & past[file[me].state] & ~past[new];
  assert((gone & ~saved[me]) == 0);
  assert((gone & accepted & ~lost) == 0);
  assert(gone == 0 || publisher != me);
  gone = 0;
  file[me].state = new
}

#define LOCK !locked[me] -> locked[me] = 1; mine = 1
#define UNLOCK locked[me] = 0; mine = 0

#ifdef PUBLISHED_NOT_SAVED
#define TO_SAVE (past[file[me].state] & ~accepted)
#else
#define TO_SAVE past[file[me].state]
#endif

/* A home becomes a replica. */
inline give_up() {
#ifdef SAVED_BEFORE_LOCK
  saved[me] = saved[me] | TO_SAVE;
#endif
  atomic {
    LOCK;
#if !defined(SAVED_BEFORE_LOCK) && !defined(SAVED_AFTERWARDS)
    saved[me] = saved[me] | TO_SAVE
#endif
  };
  d_step { file[me].home = 0; file[me].left = 0; file[me].epoch = 0; UNLOCK };
#ifdef SAVED_AFTERWARDS
  saved[me] = saved[me] | TO_SAVE;
#endif
}

#define CONTINUES \
  (entry && file[me].epoch != 0 && from_epoch == file[me].epoch && version[from] == version[file[me].state])

/* Take what the server had: the last commit's patch, or the whole. While the file changes from one
 * epoch to another, it has none. */
inline catch_up() {
  atomic {
    LOCK;
    if
    :: CONTINUES -> assert(file[me].state == from)
    :: else
    fi;
    if
    :: CONTINUES && at_epoch == file[me].epoch
    :: else -> file[me].epoch = 0
    fi
  };
  d_step { take_state(at_state) };
  d_step { file[me].epoch = at_epoch; UNLOCK }
}

proctype Share(byte me) {
  byte epoch;                  /* of the lease */
  byte base, prev, sent;       /* what is published; what is sent */
  bit fresh, mine;
  byte gone;
  bit stored, entry;           /* what was read of the server */
  byte at_epoch, at_state, from_epoch, from;

  if
  :: me == 0 -> epoch = 1; prev = 1; goto serve
  :: else
  fi;
start:
  {
    do
    :: atomic {
         !file[me].home && server.stored && IS_BEHIND(server.epoch, server.state) -> read_meta()
       };
       catch_up();
       d_step { forget_meta() }
    :: again: atomic {
#ifdef COMPARED_BEFORE_ACQUIRE
         read_meta();
#endif
         ask(ACQUIRE, file[me].epoch);
         request[me].reclaim = MAY_RECLAIM
       };
       if
       :: atomic {
            ANSWERED(YES) ->
            epoch = granted[me]; granted[me] = 0;
            AFTER_ANSWER;
#ifdef DEADLINE_BEFORE_COMPARED
            file[me].left = until[me];
#endif
            goto compare
          }
       :: atomic {
            ANSWERED(NO) ->
            until[me] = 0; granted[me] = 0; epoch = 0; base = 0; prev = 0; fresh = 0;
            if
#ifdef GIVES_UP_WHEN_HELD
            :: file[me].home
#else
            :: file[me].home && server.stored && IS_BEHIND(server.epoch, server.state)
#endif
            :: else -> goto start
            fi
          };
          give_up()
       :: atomic { lose(); epoch = 0; base = 0; prev = 0; fresh = 0 }
       fi
    od;

compare:
    atomic {
#ifndef COMPARED_BEFORE_ACQUIRE
      read_meta();
#endif
      if
      :: stored && IS_BEHIND(at_epoch, at_state) -> fresh = 0; base = at_state; prev = at_epoch
      :: stored && !IS_BEHIND(at_epoch, at_state) && file[me].epoch == at_epoch &&
         (file[me].home || file[me].state == at_state) ->
         d_step {
           fresh = 0; prev = at_epoch; base = file[me].state;
           do
           :: version[base] > version[at_state] -> base = parent[base]
           :: else -> break
           od;
           forget_meta()
         }
      :: else -> fresh = 1; base = 0; prev = 0; forget_meta()
      fi
    };
#ifndef NOT_CAUGHT_UP
    if
    :: stored ->
       if
       :: file[me].home -> give_up()
       :: else
       fi;
       catch_up()
    :: else
    fi;
#endif
#ifdef FILE_AFTERWARDS
    atomic { forget_meta(); LOCK; file[me].epoch = (file[me].home -> file[me].epoch : epoch) };
#else
    atomic { forget_meta(); LOCK; file[me].epoch = epoch };
#endif
    d_step { file[me].home = 1; file[me].left = until[me]; until[me] = 0; UNLOCK };

serve:
    do
    :: atomic { ask(RENEW, epoch) };
       if
       :: atomic { ANSWERED(YES) -> AFTER_ANSWER; file[me].left = until[me]; until[me] = 0 }
       :: atomic { ANSWERED(NO) -> goto again }
       :: atomic { lose() }
       fi
    :: atomic {
         file[me].state != base || fresh ->
         sent = file[me].state;
         request[me].prev = prev; request[me].base = base; request[me].fresh = fresh;
         request[me].state = sent;
         ask(COMMIT, epoch)
       };
       if
       :: atomic { ANSWERED(YES) -> prev = epoch; base = sent; sent = 0; fresh = 0 }
       :: atomic { ANSWERED(NO) -> sent = 0; goto again }
       :: atomic { ANSWERED(BEHIND) -> sent = 0; goto compare }
       :: atomic { lose(); sent = 0 }
       fi
    :: atomic {
         LOCK;
         until[me] = file[me].left;
#ifndef RELEASED_BEFORE_DEADLINE
         file[me].left = 0;
#endif
         UNLOCK;
         ask(RELEASE, epoch)
       };
       if
#ifdef GOES_ON_AFTER_RELEASE
       :: ANSWERED(YES)
       :: atomic { lose() }
#else
       :: ANSWERED(YES) -> break
       :: atomic { lose(); break }
#endif
       fi
    od
  } unless {
    atomic {
      killed[me] ->
      lose();
      if :: mine -> locked[me] = 0 :: else fi
    }
  };
  skip;
  d_step {
    killed[me] = 0; epoch = 0; base = 0; prev = 0; sent = 0; fresh = 0; mine = 0;
    gone = 0; until[me] = 0;
    forget_meta()
  };
  goto start
}

inline reboot(machine) {
  reboots++;
  killed[machine] = 1;
#ifdef DEADLINE_OF_OLD_BOOT
  file[machine].left = FOR_EVER
#else
  file[machine].left = 0
#endif
}

proctype Killer() {
  do
  :: atomic { deaths < DEATHS -> deaths++; killed[0] = 1 }
  :: atomic { deaths < DEATHS -> deaths++; killed[1] = 1 }
  :: atomic { reboots < REBOOTS && !locked[0] -> reboot(0) }
  :: atomic { reboots < REBOOTS && !locked[1] -> reboot(1) }
  :: deaths == DEATHS && reboots == REBOOTS -> break
  od
}

init {
  d_step {
    past[0] = IN(0);
    server.granted = 1; server.stored = 1; server.epoch = 1;
    server.holder = 1; server.lease_epoch = 1; server.left = LEASE;
    newest = 1;
    file[0].home = 1; file[0].left = LEASE; file[0].epoch = 1; file[1].epoch = 1
  };
  atomic {
    run Redis(); run Time();
    run Editor(0); run Editor(1);
    run Share(0); run Share(1);
#if DEATHS || REBOOTS
    run Killer()
#endif
  }
}
