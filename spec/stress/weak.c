#include "weak.h"

#include "stress.h"

#include <errno.h>
#include <string.h>
#include <ucontext.h>

#define PLACES 96
#define VALUES 64 /* the most values of one place */
#define MUTEXES 32
#define PATIENCE 20000 /* the most accesses in one run */
#define STACK 65536

typedef struct view {
    uint8_t at[PLACES]; /* for each place the index of the oldest value that may be read */
} view;

typedef struct place {
    const volatile void *address;
    uint64_t values[VALUES];
    view views[VALUES];
    uint8_t count;
    uint8_t seen_by_all; /* the last value of a sequentially consistent store */
} place;

typedef struct thread {
    ucontext_t context;
    void (*body)(void);
    uint32_t left; /* accesses until the thread dies */
    bool ended, sleeps;
    view now, acquired, released; /* released: `now` at the thread's last release fence */
} thread;

typedef struct mutex {
    const void *address;
    int owner; /* the number of a thread, or -1 */
    bool died, broken;
    view handed;
} mutex;

static place places[PLACES];
static unsigned place_count;
static mutex mutexes[MUTEXES];
static unsigned mutex_count;
static thread threads[WEAK_THREADS];
static unsigned thread_count, self;
static char stacks[WEAK_THREADS][STACK];
static ucontext_t outside;
static unsigned accesses;
static unsigned staleness; /* how many of 8 loads take the oldest value in this run */
static view fenced;        /* the join of all sequentially consistent fences */

uint64_t weak_random(uint64_t below) {
    return stress_random(below);
}

unsigned weak_self(void) {
    return self;
}

static void join(view *to, const view *from) {
    for (unsigned i = 0; i < PLACES; i++)
        if (to->at[i] < from->at[i])
            to->at[i] = from->at[i];
}

/* ---- Threads ----------------------------------------------------------------------------- */

void weak_reset(uint64_t seed) {
    stress_seed(seed);
    memset(places, 0, place_count * sizeof *places);
    memset(mutexes, 0, mutex_count * sizeof *mutexes);
    memset(&fenced, 0, sizeof fenced);
    place_count = mutex_count = thread_count = accesses = self = 0;
    staleness = (unsigned)stress_random(8);
}

static void release_dead(void) {
    for (unsigned i = 0; i < mutex_count; i++)
        if (mutexes[i].owner == (int)self) {
            mutexes[i].owner = -1;
            mutexes[i].died = true;
            mutexes[i].handed = threads[self].now;
        }
}

static void end(void) {
    threads[self].ended = true;
    weak_yield();
}

static void run_body(void) {
    threads[self].body();
    end();
}

void weak_thread(void (*body)(void), uint32_t dies) {
    thread *t = &threads[thread_count];
    memset(t, 0, sizeof *t);
    t->body = body;
    t->left = dies;
    if (getcontext(&t->context) != 0)
        stress_die("no context");
    t->context.uc_stack.ss_sp = stacks[thread_count++];
    t->context.uc_stack.ss_size = STACK;
    makecontext(&t->context, run_body, 0);
}

/* Pick a random thread that can run. returns  -1: there is none */
static int pick(void) {
    int picked = -1;
    uint64_t able = 0;
    for (unsigned i = 0; i < thread_count; i++)
        if (!threads[i].ended && !threads[i].sleeps && stress_random(++able) == 0)
            picked = (int)i;
    return picked;
}

void weak_yield(void) {
    unsigned before = self;
    int next = accesses > PATIENCE ? -1 : pick();
    if (next == (int)before)
        return;
    if (next >= 0)
        self = (unsigned)next;
    swapcontext(&threads[before].context, next >= 0 ? &threads[next].context : &outside);
}

bool weak_run(void) {
    int first = pick();
    self = (unsigned)first;
    swapcontext(&outside, &threads[first].context);
    for (unsigned i = 0; i < thread_count; i++)
        if (!threads[i].ended)
            return false;
    return true;
}

bool weak_is_last(void) {
    for (unsigned i = 0; i < thread_count; i++)
        if (i != self && !threads[i].ended)
            return false;
    return true;
}

/* Let another thread run before each access. */
static thread *turn(void) {
    accesses++;
    weak_yield();
    thread *t = &threads[self];
    if (t->left != WEAK_DIE_NEVER && t->left-- == 0) {
        release_dead();
        end();
    }
    return t;
}

/* ---- Memory ------------------------------------------------------------------------------ */

static place *find(const volatile void *address) {
    for (unsigned i = 0; i < place_count; i++)
        if (places[i].address == address)
            return &places[i];
    return NULL;
}

static uint64_t initial(const volatile void *address, size_t size) {
    return size == 8 ? *(const volatile uint64_t *)address : *(const volatile uint32_t *)address;
}

static place *place_of(const volatile void *address, size_t size) {
    place *p = find(address);
    if (p != NULL)
        return p;
    if (place_count == PLACES)
        stress_die("too many places");
    p = &places[place_count++];
    p->address = address;
    p->count = 1;
    p->values[0] = initial(address, size);
    return p;
}

void weak_watch(void *at) {
    place_of(at, 8);
}

static bool acquires(memory_order order) {
    return order != memory_order_relaxed && order != memory_order_release;
}

static bool releases(memory_order order) {
    return order != memory_order_relaxed && order != memory_order_acquire;
}

static uint64_t read_value(thread *t, place *p, unsigned which, memory_order order) {
    size_t index = (size_t)(p - places);
    t->now.at[index] = (uint8_t)which;
    if (t->acquired.at[index] < which)
        t->acquired.at[index] = (uint8_t)which;
    join(&t->acquired, &p->views[which]);
    if (acquires(order))
        join(&t->now, &p->views[which]);
    return p->values[which];
}

static void add_value(thread *t, place *p, uint64_t value, memory_order order, bool follows) {
    size_t index = (size_t)(p - places);
    unsigned which = p->count++;
    if (which == VALUES)
        stress_die("too many values");
    view *carried = &p->views[which];
    p->values[which] = value;
    t->now.at[index] = t->acquired.at[index] = (uint8_t)which;
    *carried = releases(order) ? t->now : t->released;
    carried->at[index] = (uint8_t)which;
    if (follows) /* a read-modify-write passes on the view of the value it read */
        join(carried, &p->views[which - 1]);
    if (order == memory_order_seq_cst)
        p->seen_by_all = (uint8_t)which;
}

uint64_t weak_load(const volatile void *at, size_t size, memory_order order) {
    if (find(at) == NULL) /* not watched, as most tags are: nothing was stored there */
        return initial(at, size);
    thread *t = turn();
    place *p = place_of(at, size);
    unsigned oldest = t->now.at[p - places];
    if (order == memory_order_seq_cst && oldest < p->seen_by_all)
        oldest = p->seen_by_all;
    bool stale = stress_random(8) < staleness;
    unsigned which = stale ? oldest : oldest + (unsigned)stress_random(p->count - oldest);
    return read_value(t, p, which, order);
}

void weak_store(volatile void *at, size_t size, uint64_t value, memory_order order) {
    thread *t = turn();
    add_value(t, place_of(at, size), value, order, false);
}

uint64_t weak_add(volatile void *at, size_t size, uint64_t value, memory_order order) {
    thread *t = turn();
    place *p = place_of(at, size);
    uint64_t old = read_value(t, p, p->count - 1U, order);
    add_value(t, p, old + value, order, true);
    return old;
}

uint64_t weak_or(volatile void *at, size_t size, uint64_t bits, memory_order order) {
    thread *t = turn();
    place *p = place_of(at, size);
    uint64_t old = read_value(t, p, p->count - 1U, order);
    add_value(t, p, old | bits, order, true);
    return old;
}

bool weak_swap(volatile void *at, size_t size, void *expected, uint64_t desired,
               memory_order order) {
    thread *t = turn();
    place *p = place_of(at, size);
    uint64_t wanted = size == 8 ? *(uint64_t *)expected : *(uint32_t *)expected;
    uint64_t old = read_value(t, p, p->count - 1U, order);
    if (old == wanted) {
        add_value(t, p, desired, order, true);
        return true;
    }
    memcpy(expected, &old, size); /* little-endian */
    return false;
}

void weak_fence(memory_order order) {
    thread *t = turn();
    if (acquires(order))
        t->now = t->acquired;
    if (order == memory_order_seq_cst) {
        join(&t->now, &fenced);
        fenced = t->now;
        join(&t->acquired, &t->now);
    }
    if (releases(order))
        t->released = t->now;
}

void weak_copy(void *restrict to, const void *restrict from, size_t size) {
    unsigned char *t = to;
    const unsigned char *f = from;
    for (; size >= 8; size -= 8, t += 8, f += 8) {
        uint64_t word;
        if (find(f) != NULL)
            word = weak_load(f, 8, memory_order_relaxed);
        else
            memcpy(&word, f, 8);
        if (find(t) != NULL)
            weak_store(t, 8, word, memory_order_relaxed);
        else
            memcpy(t, &word, 8);
    }
}

void weak_settle(void *at, size_t size) {
    for (unsigned char *word = at, *end = word + size; word < end; word += 8) {
        const place *p = find(word);
        if (p != NULL)
            memcpy(word, &p->values[p->count - 1], 8);
    }
}

/* ---- Mutexes and futexes ----------------------------------------------------------------- */

static mutex *mutex_of(const void *address) {
    for (unsigned i = 0; i < mutex_count; i++)
        if (mutexes[i].address == address)
            return &mutexes[i];
    if (mutex_count == MUTEXES)
        stress_die("too many mutexes");
    mutexes[mutex_count] = (mutex){.address = address, .owner = -1};
    return &mutexes[mutex_count++];
}

int weak_trylock(void *address) {
    thread *t = turn();
    mutex *m = mutex_of(address);
    if (m->broken)
        return ENOTRECOVERABLE;
    if (m->owner == (int)self)
        return EDEADLK;
    if (m->owner >= 0)
        return EBUSY;
    m->owner = (int)self;
    join(&t->now, &m->handed);
    join(&t->acquired, &m->handed);
    return m->died ? EOWNERDEAD : 0;
}

int weak_waitlock(void *address) {
    int rc;
    while ((rc = weak_trylock(address)) == EBUSY)
        ;
    return rc;
}

int weak_consistent(void *address) {
    turn();
    mutex_of(address)->died = false;
    return 0;
}

int weak_unlock(void *address) {
    thread *t = turn();
    mutex *m = mutex_of(address);
    if (m->owner != (int)self)
        return EPERM;
    m->owner = -1;
    m->broken = m->died;
    m->handed = t->now;
    return 0;
}

int weak_sleep(const volatile void *at, uint32_t seen) {
    thread *t = turn();
    place *p = place_of(at, 4);
    if (p->values[p->count - 1] != seen)
        return EAGAIN;
    t->sleeps = true;
    weak_yield();
    return 0;
}

void weak_wake(void) {
    turn();
    for (unsigned i = 0; i < thread_count; i++)
        threads[i].sleeps = false;
}
