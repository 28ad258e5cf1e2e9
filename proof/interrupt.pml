/*
 * Moving the word that an interrupt wakes: move_wakes in src/core/follow.c, and
 * ipm_segment_interrupt. All accesses are sequentially consistent.
 *
 * INTERRUPTERS interrupt for ever. A handle moves MOVES times to another word, and unmaps the old
 * one. No interrupt uses a word that is unmapped (safety), and each move ends, although the
 * interrupts never pause (ends).
 */
#ifndef INTERRUPTERS
#define INTERRUPTERS 2
#endif
#ifndef MOVES
#define MOVES 3
#endif

byte wakes;
bit mapped[MOVES + 1];
bit side;
byte waking[2]; /* by side */
bit done;

ltl ends { <> done }

proctype Interrupter() {
  bit mine;
  byte word;
end:
  do
  :: mine = side;
     waking[mine]++;
     word = wakes;
     assert(mapped[word]);
     waking[mine]--
  od
}

proctype Mover() {
  byte i = 1;
  do
  :: i <= MOVES ->
#ifdef ONE_SIDE
     wakes = i;
     waking[side] == 0;
#else
#ifndef FLIPPED_FIRST
     wakes = i;
#endif
#ifndef NO_FIRST_WAIT
     waking[1 - side] == 0;
#endif
     side = 1 - side;
#ifndef NO_SECOND_WAIT
     waking[1 - side] == 0;
#endif
#ifdef FLIPPED_FIRST
     wakes = i;
#endif
#endif
     mapped[i - 1] = 0;
     i++
  :: else -> break
  od;
  done = 1
}

init {
  byte n;
  atomic {
    for (n : 0 .. MOVES) { mapped[n] = 1 };
    for (n : 1 .. INTERRUPTERS) { run Interrupter() };
    run Mover()
  }
}
