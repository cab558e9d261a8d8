/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A thread that makes no progress restarts the board, and the last fault is kept over the restart, in RAM that nobody
 * initialises. Driver and application feed their channel of the task watchdog where they come to rest and where they are
 * woken: a loop whose deadlines are always over does not feed it.
 */
#include <string.h>
#include <zephyr/device.h>
#include <zephyr/fatal.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/logging/log_ctrl.h>
#include <zephyr/sys/reboot.h>
#include <zephyr/task_wdt/task_wdt.h>

#include <iothub_board.h>
#include <iothub_platform.h>

#include "health.h"

LOG_MODULE_REGISTER(iothub_health, LOG_LEVEL_INF);

#define WORK_MS (CONFIG_IOTHUB_WATCHDOG_S * MSEC_PER_SEC)
#define SUPERVISED 2

BUILD_ASSERT(IOTHUB_WAITER_DRIVER < SUPERVISED && IOTHUB_WAITER_APPLICATION < SUPERVISED);

/* How long a restart that switches the modem off may take, before it happens without. */
#define LAST_MS 15000

/* Since Zephyr 3.7 the first. */
#if __has_include(<zephyr/arch/exception.h>)
typedef struct arch_esf exception_frame;
#else
typedef z_arch_esf_t exception_frame;
#endif

#define MAGIC 0x48544C48

static __noinit struct {
	uint32_t magic;
	struct iothub_fault fault;
	uint32_t sum;
} kept;

static struct iothub_fault last;
static bool is_there;

static uint32_t sum_of(const struct iothub_fault *fault)
{
	const uint8_t *bytes = (const uint8_t *)fault;
	uint32_t sum = 2166136261U;

	for (size_t i = 0; i < sizeof(*fault); i++) {
		sum = (sum ^ bytes[i]) * 16777619U;
	}
	return sum;
}

static void keep(uint32_t reason, k_tid_t thread, uint32_t pc, uint32_t lr)
{
	const char *name = k_thread_name_get(thread);

	if (kept.magic == MAGIC) {
		/* The first fault is the cause, what follows from it is not. */
		return;
	}
	memset(&kept.fault, 0, sizeof(kept.fault));
	kept.fault.reason = reason;
	kept.fault.pc = pc;
	kept.fault.lr = lr;
	strncpy(kept.fault.thread, name != NULL ? name : "", sizeof(kept.fault.thread) - 1);
	kept.sum = sum_of(&kept.fault);
	kept.magic = MAGIC;
}

static int recall(void)
{
	if (kept.magic == MAGIC && kept.sum == sum_of(&kept.fault)) {
		last = kept.fault;
		last.thread[sizeof(last.thread) - 1] = '\0';
		is_there = true;
	}
	kept.magic = 0;
	return 0;
}

SYS_INIT(recall, PRE_KERNEL_1, 0);

const struct iothub_fault *iothub_health_last_fault(void)
{
	return is_there ? &last : NULL;
}

/* The SDK's own is off: zephyr/Kconfig.defaults. A core dump, where the build has one, was written before. */
void k_sys_fatal_error_handler(unsigned int reason, const exception_frame *frame)
{
	uint32_t pc = 0, lr = 0;

#if defined(CONFIG_CPU_CORTEX_M)
	if (frame != NULL) {
		pc = frame->basic.pc;
		lr = frame->basic.lr;
	}
#else
	ARG_UNUSED(frame);
#endif
	keep(reason, k_current_get(), pc, lr);
	LOG_PANIC();
	sys_reboot(SYS_REBOOT_COLD);
	CODE_UNREACHABLE;
}

static void restart(struct k_work *work)
{
	ARG_UNUSED(work);
	iothub_platform_reboot();
}

static void restart_without(struct k_timer *timer)
{
	ARG_UNUSED(timer);
	sys_reboot(SYS_REBOOT_COLD);
}

static K_WORK_DEFINE(restarting, restart);
static K_TIMER_DEFINE(last_resort, restart_without, NULL);

/* Where a thread stands that was interrupted, or that another has followed. */
static void where(k_tid_t thread, uint32_t *pc, uint32_t *lr)
{
#if defined(CONFIG_CPU_CORTEX_M)
	const uint32_t *frame =
		(const uint32_t *)(uintptr_t)(thread == k_current_get() ? __get_PSP() : thread->callee_saved.psp);

	*lr = frame[5];
	*pc = frame[6];
#else
	ARG_UNUSED(thread);
	*pc = 0;
	*lr = 0;
#endif
}

static void bite(int channel, void *thread)
{
	uint32_t pc, lr;

	ARG_UNUSED(channel);
	where(thread, &pc, &lr);
	keep(IOTHUB_BOARD_FAULT_WATCHDOG, thread, pc, lr);
	LOG_ERR("a thread makes no progress: %s, restarting", kept.fault.thread);
	(void)k_work_submit(&restarting);
	k_timer_start(&last_resort, K_MSEC(LAST_MS), K_NO_WAIT);
}

/* With the board's own watchdog behind it, where there is one. */
static int start(void)
{
#if DT_NODE_HAS_STATUS(DT_ALIAS(watchdog0), okay) && defined(CONFIG_WATCHDOG) && defined(CONFIG_TASK_WDT_HW_FALLBACK)
	const struct device *hardware = DEVICE_DT_GET(DT_ALIAS(watchdog0));
	int err = task_wdt_init(device_is_ready(hardware) ? hardware : NULL);
#else
	int err = task_wdt_init(NULL);
#endif

	if (err != 0) {
		LOG_ERR("the watchdog does not start: %d", err);
	}
	return 0;
}

SYS_INIT(start, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

/* A channel keeps its time: another one is another channel. */
static void feed(unsigned int waiter, uint32_t within_ms)
{
	static int channels[SUPERVISED] = {-1, -1};
	int channel;

	if (waiter >= SUPERVISED) {
		return;
	}
	/* Finding a free channel is not guarded in every SDK. */
	k_sched_lock();
	if (channels[waiter] >= 0) {
		(void)task_wdt_delete(channels[waiter]);
	}
	channel = task_wdt_add(within_ms, bite, k_current_get());
	channels[waiter] = channel;
	k_sched_unlock();
	if (channel < 0) {
		LOG_WRN("%s is not supervised: %d", waiter == IOTHUB_WAITER_DRIVER ? "the driver" : "the application",
			channel);
	}
}

void iothub_health_rests(unsigned int waiter, uint32_t rest_ms)
{
	feed(waiter, rest_ms + WORK_MS);
}

void iothub_health_works(unsigned int waiter)
{
	feed(waiter, WORK_MS);
}
