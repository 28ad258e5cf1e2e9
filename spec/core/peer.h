/*
 * Another process for a test. The test and the peer tell each other how far they are, so no test
 * depends on timing. A peer dies with the test, and no wait lasts longer than 20 s.
 *
 *      static void holder(peer *test)
 *      {
 *          ...lock...
 *          tell(test, 'l');
 *          hear(test);
 *      }
 *
 *      peer p = start(holder);
 *      hear(&p);                       // it holds the lock
 *      kill_peer(&p);
 */
#ifndef PEER_H
#define PEER_H

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PEER_DEADLINE_MS 20000

/* The numbers of system calls in /proc. In an emulator they are those of the machine below it. */
#ifndef PROC_FUTEX
#define PROC_FUTEX SYS_futex
#define PROC_NANOSLEEP SYS_nanosleep
#define PROC_CLOCK_NANOSLEEP SYS_clock_nanosleep
#endif

typedef struct peer {
    pid_t pid;
    int from, to;
} peer;

static inline void peer_die(const char *what) {
    perror(what);
    _exit(99);
}

/* Fork a process that runs `body`, and exits with 0 unless `body` itself exits. */
static inline peer start(void (*body)(peer *test)) {
    int there[2], back[2];
    fflush(NULL);
    signal(SIGPIPE, SIG_IGN);
    if (pipe(there) != 0 || pipe(back) != 0)
        peer_die("pipe");
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid < 0)
        peer_die("fork");
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        if (getppid() != parent)
            _exit(98);
        close(there[1]);
        close(back[0]);
        peer test = {.pid = parent, .from = there[0], .to = back[1]};
        body(&test);
        fflush(NULL);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    return (peer){.pid = pid, .from = back[0], .to = there[1]};
}

static inline void tell(peer *p, char what) {
    if (write(p->to, &what, 1) != 1)
        peer_die("tell");
}

/* The peer's next byte; 0 if the peer has ended, or the deadline has passed. */
static inline char hear(peer *p) {
    char what = 0;
    struct pollfd ready = {.fd = p->from, .events = POLLIN};
    if (poll(&ready, 1, PEER_DEADLINE_MS) != 1 || read(p->from, &what, 1) != 1)
        return 0;
    return what;
}

/*
 * Tell the peer to finish, by a 0, and wait for its end.
 * returns  its exit status, or 128 + the number of the signal that ended it
 */
static inline int finish(peer *p) {
    int status;
    if (write(p->to, "", 1) != 1 &&
        errno != EPIPE) /* closing the pipe is not enough, because later peers have inherited it */
        peer_die("finish");
    close(p->to);
    close(p->from);
    if (waitpid(p->pid, &status, 0) != p->pid)
        peer_die("waitpid");
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static inline void kill_peer(peer *p) {
    kill(p->pid, SIGKILL);
    finish(p);
}

/* Return once the peer is in one of two system calls. */
static inline void await_call(const peer *p, long one, long other) {
    char path[64];
    long number;
    snprintf(path, sizeof path, "/proc/%d/syscall", (int)p->pid);
    do {
        FILE *file = fopen(path, "r");
        if (file == NULL)
            peer_die(path);
        if (fscanf(file, "%ld", &number) != 1)
            number = -1; /* it is running */
        fclose(file);
    } while (number != one && number != other);
}

/* Return once the peer sleeps on a futex in the kernel: it waits for a lock or for a commit. */
static inline void await_futex(const peer *p) {
    await_call(p, PROC_FUTEX, PROC_FUTEX);
}

/* Run a peer whose body tells nothing, to its end. returns  as finish */
static inline int run_peer(void (*body)(peer *test)) {
    peer p = start(body);
    return finish(&p);
}

#endif
