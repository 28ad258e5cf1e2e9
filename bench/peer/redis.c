/*
 * Redis on a Unix socket, in its own protocol: SET and GET of 688 bytes; and streams, from a
 * message's sending (XADD) until a process that sleeps (XREAD BLOCK) has received it and answered
 * by a futex, as in bench/core/feed.c.
 */
#include "turn.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>

static char set[DEMO_SIZE + 64];
static const char get[] = "*2\r\n$3\r\nGET\r\n$4\r\ndemo\r\n";
static size_t set_length;

static void talk(int fd, const char *command, size_t length, size_t answer) {
    char into[DEMO_SIZE + 64];
    size_t got = 0;
    if (write(fd, command, length) != (ssize_t)length)
        die("redis");
    while (got < answer) {
        ssize_t n = read(fd, into + got, sizeof into - got);
        if (n <= 0)
            die("redis");
        got += (size_t)n;
    }
}

static void do_set(void *with, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        talk(*(int *)with, set, set_length, strlen("+OK\r\n"));
}

static void do_get(void *with, uint64_t count) {
    for (uint64_t i = 0; i < count; i++)
        talk(*(int *)with, get, sizeof get - 1, strlen("$688\r\n") + DEMO_SIZE + strlen("\r\n"));
}

/* ---- Streams ------------------------------------------------------------------------------ */

#define ADD "*8\r\n$4\r\nXADD\r\n$1\r\n%c\r\n$6\r\nMAXLEN\r\n$1\r\n~\r\n$3\r\n100\r\n"
#define READ "*6\r\n$5\r\nXREAD\r\n$5\r\nBLOCK\r\n$1\r\n0\r\n$7\r\nSTREAMS\r\n$1\r\n%c\r\n"

static char stream;
static int ends[2];
static bool is_asked; /* the answer to the last XADD was not read yet */
static char last_read[64] = "0-0";

static size_t receive_some(int fd, char *into, size_t room) {
    ssize_t n = read(fd, into, room);
    if (n <= 0)
        die("redis");
    return (size_t)n;
}

/* The answer is the entry's id. It is read before the next message is sent, while nothing is
 * measured that would wait for it. */
static void await_added(void) {
    char answer[64];
    for (int lines = 0; is_asked && lines < 2;) {
        size_t n = receive_some(ends[0], answer, sizeof answer);
        for (size_t i = 0; i < n; i++)
            lines += answer[i] == '\n';
    }
    is_asked = false;
}

static void send_message(const void *message, size_t size) {
    char command[DEMO_SIZE + 256];
    await_added();
    size_t length = (size_t)sprintf(command, ADD "$1\r\n*\r\n$1\r\nm\r\n$%zu\r\n", stream, size);
    memcpy(command + length, message, size);
    memcpy(command + length + size, "\r\n", 2);
    length += size + 2;
    if (write(ends[0], command, length) != (ssize_t)length)
        die("redis");
    is_asked = true;
}

/* The answer ends with the entry: its id, and a list of the field m and the message. */
static void receive_message(void *into, size_t size) {
    char command[256], answer[DEMO_SIZE + 256], before[32];
    size_t length =
        (size_t)sprintf(command, READ "$%zu\r\n%s\r\n", stream, strlen(last_read), last_read);
    size_t got = 0, header = (size_t)sprintf(before, "\r\nm\r\n$%zu\r\n", size);
    const char *found = NULL;
    if (write(ends[1], command, length) != (ssize_t)length)
        die("redis");
    while (found == NULL || got < (size_t)(found - answer) + header + size + 2) {
        got += receive_some(ends[1], answer + got, sizeof answer - got);
        found = memmem(answer, got, before, header);
    }
    memcpy(into, found + header, size);
    if (sscanf(answer, "*1 *2 $1 %*c *1 *2 $%*d %63s", last_read) != 1)
        die("redis");
}

static double turns_of(char name, size_t size) {
    stream = name;
    double took = measure_turns(send_message, receive_message, size);
    await_added();
    return took;
}

/* ------------------------------------------------------------------------------------------- */

static int connected(const char *path) {
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    for (int tries = 0; tries < 500; tries++) {
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0)
            return fd;
        close(fd);
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    die("redis does not listen");
    return -1;
}

int main(void) {
    const char *path = place("redis.sock");
    pid_t server = fork();
    if (server == 0) {
        if (freopen("/dev/null", "w", stdout) == NULL)
            _exit(1);
        execlp("redis-server", "redis-server", "--port", "0", "--unixsocket", path, "--save", "",
               "--appendonly", "no", NULL);
        _exit(1);
    }
    int fd = connected(path);
    set_length = (size_t)sprintf(set, "*3\r\n$3\r\nSET\r\n$4\r\ndemo\r\n$%d\r\n", DEMO_SIZE);
    memset(set + set_length, 'x', DEMO_SIZE);
    memcpy(set + set_length + DEMO_SIZE, "\r\n", 2);
    set_length += DEMO_SIZE + 2;
    print("redis.write", measure(do_set, &fd));
    print("redis.read", measure(do_get, &fd));
    ends[0] = connected(path);
    ends[1] = connected(path);
    print("redis.turn_64", turns_of('a', 64));
    close(ends[1]); /* the process that received has left a question there */
    ends[1] = connected(path);
    print("redis.turn_688", turns_of('b', DEMO_SIZE));
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}
