/* Redis on a Unix socket, in its own protocol: SET and GET of 688 bytes. */
#include "../measure.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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
    kill(server, SIGTERM);
    waitpid(server, NULL, 0);
}
