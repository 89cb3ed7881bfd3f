/* The wall clock of a process, off by as many seconds as the file $WALL_CLOCK_OFFSET holds (one
   double, read at every call, so it may jump). Preloaded by tests; monotonic clocks stay true.
   Waits until a time of the wall clock are translated, since the kernel knows the true one only. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/time.h>
#include <time.h>

#include "dial.h"

static const volatile double *offset_s;

__attribute__((constructor)) static void open_offset(void)
{
    offset_s = map_dial("WALL_CLOCK_OFFSET");
}

#define LONG_AFTER_BOOT_S 1000000000L

static struct timespec true_time(const struct timespec *wanted)
{
    struct timespec translated = *wanted;
    /* Smaller ones are of the monotonic clock. */
    if (offset_s && wanted->tv_sec > LONG_AFTER_BOOT_S)
        translated.tv_sec -= (time_t)floor(*offset_s);
    return translated;
}

int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until)
{
    static int (*behind)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    struct timespec translated = true_time(until);
    /* There is an older one of the same name. */
    if (!behind)
        *(void **)&behind = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    return behind(condition, mutex, &translated);
}

int pthread_mutex_timedlock(pthread_mutex_t *restrict mutex, const struct timespec *restrict until)
{
    static int (*behind)(pthread_mutex_t *, const struct timespec *);
    struct timespec translated = true_time(until);
    if (!behind)
        *(void **)&behind = dlsym(RTLD_NEXT, "pthread_mutex_timedlock");
    return behind(mutex, &translated);
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until)
{
    static int (*behind)(sem_t *, const struct timespec *);
    struct timespec translated = true_time(until);
    if (!behind)
        *(void **)&behind = dlsym(RTLD_NEXT, "sem_timedwait");
    return behind(semaphore, &translated);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    /* The one behind us needs no system call. */
    static int (*behind)(clockid_t, struct timespec *);
    if (!behind)
        *(void **)&behind = dlsym(RTLD_NEXT, "clock_gettime");
    int result = behind(clock, now);
    if (result == 0 && offset_s && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        double whole = floor(*offset_s);
        now->tv_sec += (time_t)whole;
        now->tv_nsec += (long)((*offset_s - whole) * 1e9);
        if (now->tv_nsec >= 1000000000L) {
            now->tv_sec += 1;
            now->tv_nsec -= 1000000000L;
        }
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *at)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (at)
        *at = now.tv_sec;
    return now.tv_sec;
}
