/*
 * A machine of messages and views, as in the operational forms of RC11 (ORC11: Dang and others,
 * "RustBelt meets relaxed memory", POPL 2020). Each place in memory is the list of all messages
 * ever stored there. For each place, a thread's view says which message the thread has at least
 * seen. A load takes any message that is not older. Each message carries a view: for a release
 * store the view of the storing thread, otherwise its view at its last release fence. A thread that
 * reads the message with acquire, or reads it and then makes an acquire fence, takes that view
 * over.
 *
 * Writers follow each other under the lock, which hands the view over, but is not a fence. The
 * reader stores nothing, so it may run after all writers are done: it still meets every message
 * that its view allows.
 *
 * A model that includes this defines PLACES, the number of places, and MESSAGES, the most messages
 * at one place.
 */
#define REL 1
#define ACQ 1
#define RLX 0

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

/* Before the reader runs: it has seen nothing. */
inline forget_views() {
  d_step {
    for (i : 0 .. PLACES - 1) { view[i] = 0; fenced[i] = 0 };
    i = 0
  }
}

/* The lock is handed over to the next writer: the view, and no fence. */
inline hand_over() {
  d_step {
    for (i : 0 .. PLACES - 1) { fenced[i] = 0 };
    i = 0
  }
}
