/* SPDX-License-Identifier: Apache-2.0 */
/* The part of the platform that needs pthreads with a monotonic clock. */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#include <iothub_platform.h>

#define WAITERS 4

_Static_assert(IOTHUB_WAITER_DRIVER < WAITERS, "a waiter without a flag");
_Static_assert(IOTHUB_WAITER_APPLICATION < WAITERS, "a waiter without a flag");
_Static_assert(IOTHUB_WAITER_HANDLER < WAITERS, "a waiter without a flag");
_Static_assert(IOTHUB_WAITER_SENDER < WAITERS, "a waiter without a flag");

struct waiter {
	pthread_mutex_t mutex;
	pthread_cond_t cond;
	bool woken;
	/* Uptime of the last progress, or the end of its rest; 0 before the first. */
	int64_t alive_ms;
};

static struct timespec boot;
static struct waiter waiters[WAITERS];
static pthread_mutex_t client_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t flash_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_mutex_t start_lock = PTHREAD_MUTEX_INITIALIZER;

/* Nothing here can fail but by a defect of this file: then going on would be worse. */
static void must(int error)
{
	if (error != 0) {
		abort();
	}
}

__attribute__((constructor)) static void init(void)
{
	pthread_condattr_t monotonic;

	must(clock_gettime(CLOCK_MONOTONIC, &boot));
	must(pthread_condattr_init(&monotonic));
	must(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC));
	for (size_t i = 0; i < WAITERS; i++) {
		must(pthread_mutex_init(&waiters[i].mutex, NULL));
		must(pthread_cond_init(&waiters[i].cond, &monotonic));
	}
	must(pthread_condattr_destroy(&monotonic));
}

int64_t iothub_platform_uptime_ms(void)
{
	struct timespec now;

	must(clock_gettime(CLOCK_MONOTONIC, &now));
	return (int64_t)(now.tv_sec - boot.tv_sec) * 1000 +
	       (now.tv_nsec - boot.tv_nsec) / 1000000;
}

static struct timespec monotonic_of(int64_t uptime_ms)
{
	struct timespec at = boot;

	if (uptime_ms > 0) {
		at.tv_sec += uptime_ms / 1000;
		at.tv_nsec += (uptime_ms % 1000) * 1000000;
		if (at.tv_nsec >= 1000000000) {
			at.tv_sec += 1;
			at.tv_nsec -= 1000000000;
		}
	}
	return at;
}

int64_t iothub_host_alive_ms(unsigned int waiter);

void iothub_platform_wait(unsigned int waiter, int64_t deadline_ms)
{
	if (waiter >= WAITERS) {
		abort();
	}

	struct waiter *w = &waiters[waiter];
	struct timespec deadline = monotonic_of(deadline_ms);
	bool is_over = deadline_ms <= iothub_platform_uptime_ms();
	int error = 0;

	must(pthread_mutex_lock(&w->mutex));
	if (!is_over) {
		w->alive_ms = deadline_ms;
	}
	while (!w->woken && error != ETIMEDOUT) {
		if (deadline_ms == IOTHUB_FOREVER) {
			error = pthread_cond_wait(&w->cond, &w->mutex);
		} else {
			error = pthread_cond_timedwait(&w->cond, &w->mutex, &deadline);
		}
		if (error != ETIMEDOUT) {
			must(error);
		}
	}
	/* A deadline that was over before is no progress. */
	if (w->woken || !is_over) {
		w->alive_ms = iothub_platform_uptime_ms();
	}
	w->woken = false;
	must(pthread_mutex_unlock(&w->mutex));
}

/* For the watchdog of src/health.rs. */
int64_t iothub_host_alive_ms(unsigned int waiter)
{
	int64_t alive_ms = 0;

	if (waiter < WAITERS) {
		must(pthread_mutex_lock(&waiters[waiter].mutex));
		alive_ms = waiters[waiter].alive_ms;
		must(pthread_mutex_unlock(&waiters[waiter].mutex));
	}
	return alive_ms;
}

void iothub_platform_wake(unsigned int waiter)
{
	if (waiter >= WAITERS) {
		abort();
	}

	struct waiter *w = &waiters[waiter];

	must(pthread_mutex_lock(&w->mutex));
	w->woken = true;
	must(pthread_cond_signal(&w->cond));
	must(pthread_mutex_unlock(&w->mutex));
}

void iothub_platform_lock(void)
{
	must(pthread_mutex_lock(&client_lock));
}

void iothub_platform_unlock(void)
{
	must(pthread_mutex_unlock(&client_lock));
}

void iothub_platform_flash_lock(void)
{
	must(pthread_mutex_lock(&flash_lock));
}

void iothub_platform_flash_unlock(void)
{
	must(pthread_mutex_unlock(&flash_lock));
}

static void *run(void *entry)
{
	void (*function)(void);

	*(void **)&function = entry;
	function();
	return NULL;
}

int iothub_platform_thread_start(void (*entry)(void))
{
	static bool started;
	pthread_t thread;
	void *argument;
	int error = EALREADY;

	if (entry == NULL) {
		return -EINVAL;
	}
	*(void (**)(void))&argument = entry;
	must(pthread_mutex_lock(&start_lock));
	if (!started) {
		error = pthread_create(&thread, NULL, run, argument);
		if (error == 0) {
			started = true;
			(void)pthread_setname_np(thread, "iothub");
			must(pthread_detach(thread));
		}
	}
	must(pthread_mutex_unlock(&start_lock));
	return -error;
}

void iothub_platform_random(void *buf, size_t len)
{
	uint8_t *next = buf;

	while (len > 0) {
		ssize_t got = getrandom(next, len, 0);

		if (got > 0) {
			next += got;
			len -= (size_t)got;
		} else if (got < 0 && errno != EINTR) {
			abort();
		}
	}
}

uintptr_t iothub_platform_thread_id(void)
{
	return (uintptr_t)pthread_self();
}
