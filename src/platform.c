/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on Zephyr: clock, waiting, lock, driver thread, log, random. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#if __has_include(<zephyr/random/random.h>)
#include <zephyr/random/random.h>
#else /* before NCS 2.6 */
#include <zephyr/random/rand32.h>
#endif

#include <iothub_platform.h>

#include "health.h"

/* What is logged is decided before: CONFIG_IOTHUB_LOG_LEVEL. */
LOG_MODULE_REGISTER(iothub, LOG_LEVEL_DBG);

#define TARGET_MAX 40

static K_MUTEX_DEFINE(client_lock);
static K_SEM_DEFINE(driver_wake, 0, 1);
static K_SEM_DEFINE(application_wake, 0, 1);
static K_SEM_DEFINE(handler_wake, 0, 1);
static K_SEM_DEFINE(sender_wake, 0, 1);

static K_THREAD_STACK_DEFINE(driver_stack, CONFIG_IOTHUB_THREAD_STACK_SIZE);
static struct k_thread driver_thread;

int64_t iothub_platform_uptime_ms(void)
{
	return k_uptime_get();
}

static struct k_sem *wake_flag(unsigned int waiter)
{
	switch (waiter) {
	case IOTHUB_WAITER_DRIVER:
		return &driver_wake;
	case IOTHUB_WAITER_APPLICATION:
		return &application_wake;
	case IOTHUB_WAITER_SENDER:
		return &sender_wake;
	default:
		return &handler_wake;
	}
}

#if defined(CONFIG_IOTHUB_HEALTH)
/* The task watchdog takes no longer times than 49 days, and a thread may wait for ever. */
#define REST_MAX_MS (24 * 3600 * MSEC_PER_SEC)

void iothub_platform_wait(unsigned int waiter, int64_t deadline_ms)
{
	int64_t rest_ms = deadline_ms - k_uptime_get();
	bool is_woken = false;
	bool is_over = rest_ms <= 0;

	while (!is_woken) {
		rest_ms = CLAMP(deadline_ms - k_uptime_get(), 0, REST_MAX_MS);
		if (rest_ms > 0) {
			iothub_health_rests(waiter, (uint32_t)rest_ms);
		}
		is_woken = k_sem_take(wake_flag(waiter), K_MSEC(rest_ms)) == 0;
		if (rest_ms == 0 || deadline_ms <= k_uptime_get()) {
			break;
		}
	}
	/* A deadline that was over before is no progress. */
	if (is_woken || !is_over) {
		iothub_health_works(waiter);
	}
}
#else
void iothub_platform_wait(unsigned int waiter, int64_t deadline_ms)
{
	k_timeout_t timeout = K_FOREVER;

	if (deadline_ms != IOTHUB_FOREVER) {
		timeout = K_MSEC(MAX(deadline_ms - k_uptime_get(), 0));
	}
	(void)k_sem_take(wake_flag(waiter), timeout);
}
#endif

void iothub_platform_wake(unsigned int waiter)
{
	k_sem_give(wake_flag(waiter));
}

void iothub_platform_lock(void)
{
	(void)k_mutex_lock(&client_lock, K_FOREVER);
}

void iothub_platform_unlock(void)
{
	(void)k_mutex_unlock(&client_lock);
}

static void run(void *entry, void *unused1, void *unused2)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	((void (*)(void))entry)();
}

int iothub_platform_thread_start(void (*entry)(void))
{
	static atomic_t started;

	if (!atomic_cas(&started, 0, 1)) {
		return -EALREADY;
	}
	k_thread_create(&driver_thread, driver_stack, K_THREAD_STACK_SIZEOF(driver_stack), run,
			(void *)entry, NULL, NULL, K_PRIO_PREEMPT(CONFIG_IOTHUB_THREAD_PRIORITY), 0,
			K_NO_WAIT);
	(void)k_thread_name_set(&driver_thread, "iothub");
	return 0;
}

uintptr_t iothub_platform_thread_id(void)
{
	return (uintptr_t)k_current_get();
}

/* Zephyr's deferred log takes the length of a string from its end, whatever the format's precision says. */
static const char *prefix(const char *target, size_t target_len, char *buf, size_t room)
{
	static const char ours[] = "iothub";

	if (target_len == sizeof(ours) - 1 && memcmp(target, ours, target_len) == 0) {
		return "";
	}
	(void)snprintk(buf, room, "%.*s: ", (int)MIN(target_len, room), target);
	return buf;
}

void iothub_platform_log(unsigned int level, const char *target, size_t target_len,
			 const char *message, size_t message_len)
{
	char buf[TARGET_MAX];
	const char *from = prefix(target, target_len, buf, sizeof(buf));

	ARG_UNUSED(message_len);
	/* The text is an argument, never the format: it may come from the network. */
	switch (level) {
	case 1:
		LOG_ERR("%s%s", from, message);
		break;
	case 2:
		LOG_WRN("%s%s", from, message);
		break;
	case 3:
		LOG_INF("%s%s", from, message);
		break;
	default:
		LOG_DBG("%s%s", from, message);
		break;
	}
}

void iothub_platform_random(void *buf, size_t len)
{
	sys_rand_get(buf, len);
}
