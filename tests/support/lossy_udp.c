/* A network that loses packets: of what a process sends by UDP, the share that the file $UDP_LOSS
   holds never leaves (one double, read at every call, so the network may be cut and mended).
   Preloaded by tests; each process loses others, drawn from its process id. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "dial.h"

static const volatile double *loss;

__attribute__((constructor)) static void open_network(void)
{
    loss = map_dial("UDP_LOSS");
    srand48(getpid());
}

static int is_lost(int file)
{
    int type = 0;
    socklen_t size = sizeof(type);
    return loss && drand48() < *loss && getsockopt(file, SOL_SOCKET, SO_TYPE, &type, &size) == 0 &&
           type == SOCK_DGRAM;
}

ssize_t sendmsg(int file, const struct msghdr *message, int flags)
{
    static ssize_t (*behind)(int, const struct msghdr *, int);
    ssize_t size = 0;
    if (!behind)
        *(void **)&behind = dlsym(RTLD_NEXT, "sendmsg");
    if (!is_lost(file))
        return behind(file, message, flags);
    for (size_t part = 0; part < message->msg_iovlen; part++)
        size += (ssize_t)message->msg_iov[part].iov_len;
    return size;
}

ssize_t sendto(int file, const void *data, size_t size, int flags, const struct sockaddr *to,
               socklen_t to_size)
{
    static ssize_t (*behind)(int, const void *, size_t, int, const struct sockaddr *, socklen_t);
    if (!behind)
        *(void **)&behind = dlsym(RTLD_NEXT, "sendto");
    return is_lost(file) ? (ssize_t)size : behind(file, data, size, flags, to, to_size);
}
