/*
 * How a home's commits are stored: small ones in one call, large ones and whole states in pieces
 * (commit, begin, stage and finish in server.lua).
 *
 * The struct has two halves. The home makes VERSIONS commits; each changes one half. It publishes
 * what there is in one of the three ways, with one request at a time. If an answer is lost, it reads
 * what is stored, and begins anew; the request may be executed at any time later, or never.
 *
 * The home has one lease all the time: what comes from another one is refused (lease.pml).
 */
#ifndef VERSIONS
#define VERSIONS 3
#endif
#ifndef LATES
#define LATES 2
#endif
#ifndef ATTEMPTS
#define ATTEMPTS 3
#endif

#define KEPT 9 /* a half that the request does not have */

mtype = { COMMIT, BEGIN, STAGE, FINISH };
#define NONE 0
#define OK 1
#define AGAIN 2
#define BEHIND 3
#define GONE 4

typedef Request {
  mtype op;
  bit fresh;
  byte id, before, version;
  byte half[2]
};
Request late[LATES];

/* The server. `next` is the copy that is being made, of the stage `stage`; 0: none */
byte meta, state[2], stage, next[2];
bit is_there;

/* The home: its version, and the struct as of each. */
byte version, value[2];
typedef Struct {
  byte half[2]
};
Struct history[VERSIONS + 1];

byte result;

/* The version is part of one home's epoch. */
inline check_order(r) {
  if
#ifndef ORDER_NOT_CHECKED
  :: r.version <= meta -> result = AGAIN
#endif
  :: r.version > meta && !r.fresh && r.before != meta -> result = BEHIND
  :: else -> result = OK
  fi
}

#define PUT(into, r) \
  into[0] = (r.half[0] != KEPT -> r.half[0] : into[0]); \
  into[1] = (r.half[1] != KEPT -> r.half[1] : into[1])

inline publish(r) {
  assert(r.version > meta);
  assert(state[0] == history[r.version].half[0] && state[1] == history[r.version].half[1]);
  meta = r.version
}

#ifdef STAGE_NOT_CHECKED
#define IS_STAGE(r) is_there
#else
#define IS_STAGE(r) (is_there && stage == r.id)
#endif

inline execute(r) {
  if
  :: r.op == COMMIT ->
     check_order(r);
     if
     :: result == OK -> PUT(state, r); publish(r)
     :: else
     fi
  :: r.op == BEGIN ->
     check_order(r);
     if
     :: result == OK ->
        stage = r.id; is_there = 1;
        next[0] = (r.fresh -> 0 : state[0]); next[1] = (r.fresh -> 0 : state[1])
     :: else
     fi
  :: r.op == STAGE ->
     if
     :: IS_STAGE(r) -> PUT(next, r); result = OK
     :: else -> result = GONE
     fi
  :: r.op == FINISH ->
#ifdef ORDER_CHECKED_AT_BEGIN
     result = OK;
#else
     check_order(r);
#endif
     if
     :: result == OK && !IS_STAGE(r) -> result = GONE
     :: result == OK && IS_STAGE(r) ->
        state[0] = next[0]; state[1] = next[1]; next[0] = 0; next[1] = 0;
        stage = 0; is_there = 0;
        publish(r)
     :: else
     fi
  fi;
  r.op = 0; r.fresh = 0; r.id = 0; r.before = 0; r.version = 0; r.half[0] = 0; r.half[1] = 0
}

active proctype Late() {
  byte i;
end:
  do
  :: d_step { late[0].op != 0 -> execute(late[0]); result = 0 }
  :: d_step { late[LATES - 1].op != 0 -> execute(late[LATES - 1]); result = 0 }
  od
}

/* Sends the request. With NONE in `result` the answer is lost. */
inline send(what) {
  d_step {
    call.op = what; call.fresh = fresh; call.id = attempts; call.before = before; call.version = sent
  };
  if
  :: d_step { execute(call); got = result; result = 0 }
  :: d_step { execute(call); got = NONE; result = 0 }
  :: atomic {
       if
       :: late[0].op == 0 -> i = 0
       :: late[LATES - 1].op == 0 -> i = LATES - 1
       fi;
       d_step {
         late[i].op = call.op; late[i].fresh = call.fresh; late[i].id = call.id;
         late[i].before = call.before; late[i].version = call.version;
         late[i].half[0] = call.half[0]; late[i].half[1] = call.half[1];
         call.op = 0; call.fresh = 0; call.id = 0; call.before = 0; call.version = 0;
         call.half[0] = 0; call.half[1] = 0;
         i = 0; got = NONE
       }
     }
  fi
}

/* A half, all of it or if it has changed since the version `before`. */
inline add(number) {
  if
  :: fresh || history[sent].half[number] != history[before].half[number] ->
     call.half[number] = history[sent].half[number]
  :: else -> call.half[number] = KEPT
  fi
}

active proctype Home() {
  Request call;
  byte before, sent, attempts, got, i;
  bit fresh;
end:
  do
  :: d_step {
       version < VERSIONS ->
       version++;
       if
       :: value[0] = version
       :: value[1] = version
       fi;
       history[version].half[0] = value[0]; history[version].half[1] = value[1]
     }
  :: d_step { attempts < ATTEMPTS && version > meta -> attempts++; before = meta; sent = version };
     if
     :: d_step { add(0); add(1) }; send(COMMIT)
     :: fresh = 0; goto pieces
     :: fresh = 1; goto pieces
     fi;
     goto done;
pieces: skip;
     send(BEGIN);
     if
     :: got != OK -> goto done
     :: else -> skip
     fi;
     skip;
     d_step { add(0); call.half[1] = KEPT };
     send(STAGE);
     if
     :: got != OK -> goto done
     :: else -> skip
     fi;
     skip;
     d_step { call.half[0] = KEPT; add(1) };
     send(STAGE);
     if
     :: got != OK -> goto done
     :: else -> skip
     fi;
     skip;
     send(FINISH);
done: skip;
     d_step { before = 0; sent = 0; fresh = 0; got = 0 }
  od
}
