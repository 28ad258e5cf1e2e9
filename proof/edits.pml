/*
 * An edit that a program sends to a segment's home on another machine.
 *
 * The client sends it through the server, may send it again after a lost answer, and gives up when
 * its time is over. Two machines may be the home, each with a new lease at any moment; a process may
 * die at any step, and is slow at any step. The server may restart, empty or with an older state;
 * then all connections are lost. Requests whose answer is lost may be executed later.
 *
 * A file has the number of times that the edit was applied to it. The lease and the history of
 * commits are those of lease.pml: a home whose lease is not the last one cannot publish; and a
 * machine keeps what it has not published until another one has published.
 */
#ifndef GRANTS
#define GRANTS 2
#endif
#ifndef DEATHS
#define DEATHS 1
#endif
#ifndef LOSSES
#define LOSSES 0
#endif
#ifndef SENDS
#define SENDS 2
#endif

#define NOTHING 0
#define TAKEN 1
#define APPLIED 2
#define TIMEOUT 3
#define UNKNOWN 4

/* ---- The server ---------------------------------------------------------------------------- */

typedef Server {
  bit sent[SENDS];             /* the stream `edits`: copies of the edit */
  byte start[SENDS];             /* which start of the server's the client saw */
  byte reply, by_lease, by_copy;
  byte stored                  /* how often the edit is part of the accepted state */
};
Server server, old;
bit kept;
byte losses;
byte starts = 1;              /* the server's */
byte lease;                    /* the last one that was granted; 0: none */
byte publisher;                /* the machine that published last; 2: none */
bit expired;
bit late_send[SENDS], late_take;
byte late_lease, late_copy;

/* The assertions use these. */
bit was_stored;
byte verdict;

byte deaths, sends;

typedef Machine {
  byte lease;
  byte file;                   /* how often the edit was applied to it */
  bit published;               /* nothing in the file is not published */
  bit owes                     /* the answer to the edit, which it has applied */
};
Machine machine[2];

/* take. `result`: TAKEN, or NOTHING. */
inline take(from, copy) {
  if
  :: from != lease -> result = NOTHING
  :: else ->
     if
     :: server.reply != NOTHING ->
        result = (server.reply == TAKEN && server.by_lease == from && server.by_copy == copy -> TAKEN : NOTHING)
#ifndef EXPIRY_NOT_CHECKED
     :: server.reply == NOTHING && expired -> result = NOTHING
#endif
#ifndef START_NOT_CHECKED
     :: server.reply == NOTHING && server.start[copy] != starts -> result = NOTHING
#endif
     :: else ->
#ifndef TAKE_NOT_NOTED
        server.reply = TAKEN; server.by_lease = from; server.by_copy = copy;
#endif
        result = TAKEN
     fi;
     server.sent[copy] = 0
  fi
}

inline copy_server(to, source) {
  for (i : 0 .. SENDS - 1) { to.sent[i] = source.sent[i]; to.start[i] = source.start[i] };
  to.reply = source.reply; to.by_lease = source.by_lease; to.by_copy = source.by_copy;
  to.stored = source.stored
}

inline forget_server() {
  for (i : 0 .. SENDS - 1) { server.sent[i] = 0; server.start[i] = 0 };
  server.reply = NOTHING; server.by_lease = 0; server.by_copy = 0; server.stored = 0
}

inline restart() {
  losses++;
  starts++;
  publisher = 2;               /* the state has gone back: each may have the latest */
  for (i : 0 .. SENDS - 1) { late_send[i] = 0 };
  i = 0; late_take = 0; kept = 0;
  machine[0].published = 0; machine[1].published = 0
}

active proctype Redis() {
  byte i, result;
end:
  do
  :: d_step { !expired -> expired = 1 }
  :: d_step { late_take -> late_take = 0; take(late_lease, late_copy); result = 0; late_lease = 0; late_copy = 0 }
  :: d_step { late_send[0] -> late_send[0] = 0; server.sent[0] = 1 }
  :: d_step { late_send[SENDS - 1] -> late_send[SENDS - 1] = 0; server.sent[SENDS - 1] = 1 }
#if LOSSES
  :: d_step { !kept && losses < LOSSES -> kept = 1; copy_server(old, server); i = 0 }
  :: d_step { kept && losses < LOSSES -> copy_server(server, old); restart() }
  :: d_step { losses < LOSSES -> forget_server(); restart() }
#endif
  od
}

/* ---- The homes ----------------------------------------------------------------------------- */

inline die() {
  deaths++;
  machine[me].lease = 0;
  machine[me].owes = 0
}

#define MAY_DIE deaths < DEATHS

inline make() {
  machine[me].file++;
  assert(machine[me].file <= 1);
  assert(verdict != TIMEOUT);
  machine[me].published = 0;
  machine[me].owes = 1
}

active [2] proctype Home() {
  byte me = _pid - 1;
  byte copy, result, at_start;
end:
  do
  /* It becomes the home. What it has not published counts, unless another has published since. */
  :: d_step {
       lease < GRANTS && machine[me].lease == 0 ->
       lease++;
       machine[me].lease = lease;
       if
       :: publisher == me || publisher == 2
       :: else ->
          machine[me].file = server.stored;
          machine[me].published = 1;
#ifndef ANSWERS_KEPT
          machine[me].owes = 0
#endif
       fi
     }
  :: d_step { machine[me].lease != 0 && machine[me].lease != lease -> machine[me].lease = 0 }
  :: atomic { MAY_DIE -> die() }

  /* It takes an edit, and makes it. */
  :: atomic {
       machine[me].lease != 0 && (server.sent[0] || server.sent[SENDS - 1]) ->
       if
       :: server.sent[0] -> copy = 0
       :: server.sent[SENDS - 1] -> copy = SENDS - 1
       fi;
       at_start = starts
     };
     if
#ifdef MADE_WITHOUT_TAKE
     :: d_step { server.sent[copy] -> server.sent[copy] = 0; result = TAKEN }
#else
     :: d_step { at_start == starts -> take(machine[me].lease, copy) }
     :: d_step { !late_take && at_start == starts -> late_take = 1; late_lease = machine[me].lease; late_copy = copy }
     :: d_step { at_start == starts -> take(machine[me].lease, copy); result = NOTHING } /* its answer is lost */
#endif
     :: true
     fi;
     if
     :: result == TAKEN ->
        if
        :: d_step { make() }
        :: atomic { MAY_DIE -> die() }
        fi
     :: else
     fi;
     d_step { result = 0; copy = 0; at_start = 0 }

  /* It publishes, and answers. */
  :: d_step {
       machine[me].lease != 0 && machine[me].lease == lease && !machine[me].published ->
       server.stored = machine[me].file;
       was_stored = was_stored | (server.stored > 0);
       machine[me].published = 1;
       publisher = me
     }
  :: d_step {
#ifdef REPLIED_BEFORE_PUBLISHED
       machine[me].owes ->
#else
       machine[me].owes && machine[me].lease != 0 && machine[me].published ->
#endif
       machine[me].owes = 0;
       server.reply = APPLIED
     }
  od
}

/* ---- The client ---------------------------------------------------------------------------- */

#define GIVE_UP(as) verdict = as; goto over

/* Whether the server cannot have forgotten what became of the edit. */
#ifdef START_NOT_COMPARED
#define SAME_SERVER true
#else
#define SAME_SERVER (sent_start == my_start)
#endif
#define MAY_SEND (sent_start == 0 || SAME_SERVER)

inline look() {
  if
  :: server.reply == APPLIED -> assert(was_stored); GIVE_UP(APPLIED)
  :: server.reply == TAKEN -> is_taken = 1
  :: server.reply == NOTHING
  fi
}

active proctype Client() {
  byte my_start, sent_start;
  bit is_taken;
connect:
  my_start = starts;
  if
  :: atomic { my_start == starts -> look() }
  :: my_start != starts -> goto connect
  fi;
  /* It sends the edit, at first or again. */
  if
  :: atomic {
       sends < SENDS && !is_taken && my_start == starts && MAY_SEND ->
       sent_start = my_start;
       server.start[sends] = my_start;
       if
       :: server.sent[sends] = 1; sends++
       :: late_send[sends] = 1; sends++; goto connect
       :: sends++; goto connect
       fi
     }
  :: true
  fi;
  do
  :: atomic { my_start == starts -> look() }
  :: my_start != starts -> goto connect
#ifdef LOOKED_BEFORE_TIME
  :: my_start == starts && expired -> break
#else
  :: my_start == starts && expired ->
     if
     :: atomic { my_start == starts -> look(); break }
     :: my_start != starts -> goto connect
     fi
#endif
  :: goto connect /* the connection is lost */
  od;
  atomic {
    if
    :: is_taken -> GIVE_UP(UNKNOWN)
    :: !is_taken && sent_start != 0 && !SAME_SERVER -> GIVE_UP(UNKNOWN)
    :: else ->
       /* It was not applied, and will not be. */
       assert(server.stored == 0 && machine[0].file == 0 && machine[1].file == 0);
       GIVE_UP(TIMEOUT)
    fi
  };
over:
  skip
}
