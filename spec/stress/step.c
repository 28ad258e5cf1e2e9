#include "step.h"

#include "stress.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>

#ifndef __x86_64__
#error "breakpoints were not ported to this architecture"
#endif

#define BREAKPOINT 0xcc
#define SYSTEM_CALL 0x050f
#define PATIENCE 50       /* polls of a child before checking whether it is blocked */
#define BREAKPOINT_COST 4 /* in single steps */

extern const char __executable_start, etext; /* linker symbols: this program's code, without libc */

void step_begin(void) {
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0)
        stress_die("cannot be traced: %s", strerror(errno));
    raise(SIGSTOP);
}

void step_finish(void) {
    raise(SIGSTOP);
    _Exit(EXIT_SUCCESS);
}

/* ---- One request ------------------------------------------------------------------------- */

static long request(enum __ptrace_request what, const step_child *child, uintptr_t address,
                    uintptr_t data) {
    errno = 0;
    long value = ptrace(what, child->pid, address, data);
    if (errno != 0)
        stress_die("ptrace: %s", strerror(errno));
    return value;
}

static uintptr_t position(const step_child *child) {
    return (uintptr_t)request(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rip), 0);
}

static uintptr_t text_at(const step_child *child, uintptr_t address) {
    return (uintptr_t)request(PTRACE_PEEKTEXT, child, address, 0);
}

/* Wait for the next stop. returns  STEP_OUTSIDE: it is the stop of step_finish */
static step_end wait_stop(const step_child *child, bool *blocked) {
    int64_t deadline = 0;
    for (unsigned looks = 1;; looks++) {
        int status;
        pid_t pid = waitpid(child->pid, &status, child->blocked == NULL ? 0 : WNOHANG);
        if (pid < 0)
            stress_die("waitpid: %s", strerror(errno));
        if (pid == child->pid) {
            if (!WIFSTOPPED(status))
                stress_die("the child ended by itself (status %x)", (unsigned)status);
            if (WSTOPSIG(status) != SIGTRAP && WSTOPSIG(status) != SIGSTOP)
                stress_die("the child got signal %d", WSTOPSIG(status));
            return *child->inside ? STEP_STOPPED : STEP_OUTSIDE;
        }
        if (looks % PATIENCE != 0)
            continue;
        int64_t now = stress_now();
        if (deadline == 0)
            deadline = now + STRESS_STUCK_NS;
        if (now > deadline)
            return STEP_STUCK;
        if (!*blocked && stress_is_blocked(child->pid)) {
            *blocked = true;
            child->blocked();
        }
    }
}

static step_end step_one(const step_child *child, bool *blocked) {
    request(PTRACE_SINGLESTEP, child, 0, 0);
    return wait_stop(child, blocked);
}

/* Run until the instruction at `address` is the next. */
static step_end run_to(const step_child *child, uintptr_t address, bool *blocked) {
    uintptr_t text = text_at(child, address);
    request(PTRACE_POKETEXT, child, address, (text & ~(uintptr_t)0xff) | BREAKPOINT);
    request(PTRACE_CONT, child, 0, 0);
    step_end end = wait_stop(child, blocked);
    if (end == STEP_STOPPED) {
        request(PTRACE_POKETEXT, child, address, text);
        request(PTRACE_POKEUSER, child, offsetof(struct user_regs_struct, rip), address);
    }
    return end;
}

/* Step over one instruction, or over the whole call of the function `passed`. */
static step_end step_from(const step_child *child, uintptr_t address, bool *blocked) {
    if (address != child->passed)
        return step_one(child, blocked);
    long stack = request(PTRACE_PEEKUSER, child, offsetof(struct user_regs_struct, rsp), 0);
    return run_to(child, text_at(child, (uintptr_t)stack), blocked);
}

void step_wait(const step_child *child) {
    int status;
    if (waitpid(child->pid, &status, 0) != child->pid || !WIFSTOPPED(status))
        stress_die("the child did not begin");
    request(PTRACE_SETOPTIONS, child, 0, PTRACE_O_EXITKILL);
}

/* ---- Recording --------------------------------------------------------------------------- */

static bool is_own(uintptr_t address) {
    return address >= (uintptr_t)&__executable_start && address < (uintptr_t)&etext;
}

static void record(step_trace *trace, uintptr_t address, bool is_call, bool is_block) {
    if (trace->length == trace->room) {
        trace->room = trace->room == 0 ? 4096 : 2 * trace->room;
        trace->run = realloc(trace->run, trace->room * sizeof *trace->run);
        if (trace->run == NULL)
            stress_die("no memory");
    }
    trace->run[trace->length++] =
        (step_instruction){.address = address, .is_call = is_call, .is_block = is_block};
}

static int by_address(const void *a, const void *b) {
    const step_instruction *x = *(step_instruction *const *)a, *y = *(step_instruction *const *)b;
    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    return (x > y) - (x < y);
}

static void count_hits(step_trace *trace) {
    step_instruction **order = malloc(trace->length * sizeof(step_instruction *));
    if (order == NULL)
        stress_die("no memory");
    for (unsigned i = 0; i < trace->length; i++)
        order[i] = &trace->run[i];
    qsort(order, trace->length, sizeof(step_instruction *), by_address);
    for (unsigned i = 0; i < trace->length; i++) {
        bool again = i > 0 && order[i - 1]->address == order[i]->address;
        order[i]->hit = !is_own(order[i]->address) ? 0 : again ? order[i - 1]->hit + 1 : 1;
    }
    free(order);
}

step_end step_record(const step_child *child, step_trace *trace) {
    step_end end = STEP_OUTSIDE;
    bool blocked = false;
    *trace = (step_trace){0};
    while (end == STEP_OUTSIDE && !*child->inside)
        end = step_one(child, &blocked);
    while (end == STEP_STOPPED) {
        uintptr_t address = position(child);
        bool is_call = (text_at(child, address) & 0xffff) == SYSTEM_CALL;
        bool was_blocked = blocked;
        end = step_from(child, address, &blocked);
        record(trace, address, is_call, is_call && blocked && !was_blocked);
    }
    count_hits(trace);
    return end;
}

/* ---- Stopping ---------------------------------------------------------------------------- */

/* The position of the breakpoint from which position `count` is reached at the lowest cost. */
static unsigned best_start(const step_trace *trace, unsigned count) {
    unsigned best = 0, cost = count + BREAKPOINT_COST;
    unsigned last = count < trace->length ? count : trace->length - 1;
    for (unsigned i = last + 1; i-- > 0 && count - i < cost;) {
        unsigned own = count - i + BREAKPOINT_COST * trace->run[i].hit;
        if (trace->run[i].hit > 0 && own < cost) {
            best = i;
            cost = own;
        }
    }
    return best;
}

step_end step_to(const step_child *child, const step_trace *trace, unsigned count) {
    bool blocked = false;
    unsigned start = best_start(trace, count);
    const step_instruction *from = &trace->run[start];
    step_end end = run_to(child, from->address, &blocked);
    for (uint32_t hit = 1; end == STEP_STOPPED && hit < from->hit; hit++) {
        end = step_one(child, &blocked);
        if (end == STEP_STOPPED)
            end = run_to(child, from->address, &blocked);
    }
    for (unsigned i = start; end == STEP_STOPPED && i < count; i++)
        end = step_from(child, trace->run[i].address, &blocked);
    return end;
}

step_end step_into(const step_child *child) {
    int64_t deadline = stress_now() + STRESS_STUCK_NS;
    request(PTRACE_SINGLESTEP, child, 0, 0);
    while (!stress_is_blocked(child->pid)) {
        int status;
        if (waitpid(child->pid, &status, WNOHANG) == child->pid)
            return STEP_OUTSIDE;
        if (stress_now() > deadline)
            return STEP_STUCK;
    }
    return STEP_STOPPED;
}
