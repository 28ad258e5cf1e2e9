/* Unix datagram sockets: from a message's sending until a process that sleeps has received it and
 * answered by a futex, as in bench/core/feed.c. */
#include "turn.h"

#include <sys/socket.h>

static int ends[2];

static void send_message(const void *message, size_t size) {
    if (send(ends[0], message, size, 0) < 0)
        die("send");
}

static void receive_message(void *into, size_t size) {
    if (recv(ends[1], into, size, 0) < 0)
        die("recv");
}

int main(void) {
    if (socketpair(AF_UNIX, SOCK_DGRAM, 0, ends) != 0)
        die("socketpair");
    print("datagram.turn_64", measure_turns(send_message, receive_message, 64));
    print("datagram.turn_688", measure_turns(send_message, receive_message, DEMO_SIZE));
}
