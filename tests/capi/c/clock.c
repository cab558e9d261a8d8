/* SPDX-License-Identifier: Apache-2.0 */
/* In front of the platform's clock and waiting: see build.rs. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <time.h>

#include <iothub_platform.h>

#include "clock.h"

#define FACTOR 1000

int64_t __real_iothub_platform_uptime_ms(void);
int64_t __wrap_iothub_platform_uptime_ms(void);
void __real_iothub_platform_wait(unsigned int waiter, int64_t deadline_ms);
void __wrap_iothub_platform_wait(unsigned int waiter, int64_t deadline_ms);

/* What the clock is ahead of the real one; and since when it hurries, in real time, or -1. */
static int64_t ahead;
static int64_t since = -1;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool held;

/* With the mutex held. */
static int64_t ahead_at(int64_t real)
{
	return ahead + (since < 0 ? 0 : (real - since) * (FACTOR - 1));
}

int64_t __wrap_iothub_platform_uptime_ms(void)
{
	int64_t now;

	pthread_mutex_lock(&mutex);
	now = __real_iothub_platform_uptime_ms();
	now += ahead_at(now);
	pthread_mutex_unlock(&mutex);
	return now;
}

void __wrap_iothub_platform_wait(unsigned int waiter, int64_t deadline_ms)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	int64_t until = deadline_ms;
	int64_t real;

	pthread_mutex_lock(&mutex);
	real = __real_iothub_platform_uptime_ms();
	if (deadline_ms != IOTHUB_FOREVER) {
		until -= ahead_at(real);
	}
	/* Whoever waits looks again when nothing has come. */
	if (since >= 0 && until > real + 1) {
		until = real + 1;
	}
	pthread_mutex_unlock(&mutex);
	__real_iothub_platform_wait(waiter, until);
	while (waiter == IOTHUB_WAITER_APPLICATION && atomic_load(&held)) {
		nanosleep(&pause, NULL);
	}
}

void clock_hurry(bool hurry)
{
	int64_t real;

	pthread_mutex_lock(&mutex);
	real = __real_iothub_platform_uptime_ms();
	ahead = ahead_at(real);
	since = hurry ? real : -1;
	pthread_mutex_unlock(&mutex);
	for (unsigned int waiter = IOTHUB_WAITER_DRIVER; waiter <= IOTHUB_WAITER_SENDER; waiter++) {
		iothub_platform_wake(waiter);
	}
}

void clock_hold(bool hold)
{
	atomic_store(&held, hold);
}
