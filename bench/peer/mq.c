/* POSIX message queues: from a message's sending until a process that sleeps has received it and
 * answered by a futex, as in bench/core/feed.c. */
#include "turn.h"

#include <mqueue.h>
#include <stdio.h>
#include <unistd.h>

static mqd_t queue;

static void send_message(const void *message, size_t size) {
    if (mq_send(queue, message, size, 0) != 0)
        die("mq_send");
}

static void receive_message(void *into, size_t size) {
    if (mq_receive(queue, into, size, NULL) < 0)
        die("mq_receive");
}

static double turns_of(size_t size) {
    char name[64];
    struct mq_attr attributes = {.mq_maxmsg = 10, .mq_msgsize = (long)size};
    snprintf(name, sizeof name, "/ipmmap-bench-%ld", (long)getpid());
    queue = mq_open(name, O_RDWR | O_CREAT | O_EXCL, 0600, &attributes);
    if (queue == (mqd_t)-1)
        die("mq_open");
    mq_unlink(name);
    double took = measure_turns(send_message, receive_message, size);
    mq_close(queue);
    return took;
}

int main(void) {
    print("mq.turn_64", turns_of(64));
    print("mq.turn_688", turns_of(DEMO_SIZE));
}
