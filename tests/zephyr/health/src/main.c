/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src/health.c and src/diagnostics.c, over restarts: what the watchdog bites and what it leaves alone, and that the next
 * run knows the last fault. Each run says what it has found; a line that is missing is what is wrong.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/sys/printk.h>
#include <zephyr/sys/reboot.h>

#include <iothub_board.h>
#include <iothub_platform.h>

#define MAGIC 0x52554e53
#define WATCHDOG_MS (CONFIG_IOTHUB_WATCHDOG_S * MSEC_PER_SEC)

static __noinit struct {
	uint32_t magic;
	uint32_t number;
} run;

static K_THREAD_STACK_DEFINE(stack, 1024);
static struct k_thread thread;

/* What src/restart.c does with a modem beside. */
void iothub_platform_reboot(void)
{
	sys_reboot(SYS_REBOOT_COLD);
}

/* A loop whose deadline is always over. */
static void spin(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, k_uptime_get() + 1);
	for (;;) {
		iothub_platform_wait(IOTHUB_WAITER_DRIVER, 0);
	}
}

static void cause(void *kind, void *unused2, void *unused3)
{
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	iothub_platform_wait(IOTHUB_WAITER_APPLICATION, k_uptime_get() + 1);
	(void)iothub_board_fault((unsigned int)(uintptr_t)kind);
}

static void start(const char *name, k_thread_entry_t entry, unsigned int kind)
{
	k_thread_create(&thread, stack, K_THREAD_STACK_SIZEOF(stack), entry, (void *)(uintptr_t)kind, NULL, NULL,
			K_PRIO_PREEMPT(12), 0, K_FOREVER);
	(void)k_thread_name_set(&thread, name);
	k_thread_start(&thread);
	k_sleep(K_FOREVER);
}

static void tell(const char *reason)
{
	char name[16] = "";
	uint32_t pc = 0, lr = 0;

	(void)iothub_board_last_fault_thread(name, sizeof(name) - 1);
	(void)iothub_board_last_fault(IOTHUB_BOARD_FAULT_PC, &pc);
	(void)iothub_board_last_fault(IOTHUB_BOARD_FAULT_LR, &lr);
	printk("run %u: %s thread %s, its place is %s\n", run.number, reason, name,
	       pc != 0 && lr != 0 ? "known" : "unknown");
}

static uint32_t reason(void)
{
	uint32_t value = UINT32_MAX;

	(void)iothub_board_last_fault(IOTHUB_BOARD_FAULT_REASON, &value);
	return value;
}

static void expect_no_fault(void)
{
	uint32_t value;

	if (iothub_board_last_fault(IOTHUB_BOARD_FAULT_REASON, &value) == -ENOENT &&
	    iothub_board_last_fault_thread(NULL, 0) == -ENOENT) {
		printk("run %u: no fault before\n", run.number);
	}
}

static void wake(struct k_timer *timer)
{
	ARG_UNUSED(timer);
	iothub_platform_wake(IOTHUB_WAITER_DRIVER);
}

static K_TIMER_DEFINE(waking, wake, NULL);

/* The driver rests until it is woken, and until a deadline, for longer than the watchdog waits for work. */
static void rest(void)
{
	k_timer_start(&waking, K_MSEC(WATCHDOG_MS + 1000), K_NO_WAIT);
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, IOTHUB_FOREVER);
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, k_uptime_get() + WATCHDOG_MS + 1000);
	for (int i = 0; i < 4; i++) {
		k_sleep(K_MSEC(WATCHDOG_MS / 4));
		iothub_platform_wake(IOTHUB_WAITER_DRIVER);
		iothub_platform_wait(IOTHUB_WAITER_DRIVER, 0);
	}
	printk("run %u: rests and is woken longer than the watchdog waits\n", run.number);
}

static void count(void)
{
	char name[4];
	uint32_t size, unused, most = 0;
	unsigned int index = 0;
	bool is_main = false;
	void *block = k_malloc(100);
	int length;

	while ((length = iothub_board_stack(index, name, sizeof(name), &size, &unused)) >= 0) {
		is_main |= length == 4 && memcmp(name, "main", 4) == 0 && size >= CONFIG_MAIN_STACK_SIZE &&
			   unused > 0 && unused < size;
		index++;
	}
	if (is_main && length == -ENOENT && index >= 3) {
		printk("run %u: stacks are counted\n", run.number);
	}
	k_free(block);
	if (iothub_board_heap(&size, &most) == 0 && most >= 100 && most <= size && size <= 1024) {
		printk("run %u: the heap is counted\n", run.number);
	}
}

int main(void)
{
	if (run.magic != MAGIC) {
		run.magic = MAGIC;
		run.number = 0;
	}
	switch (++run.number) {
	case 1:
		expect_no_fault();
		rest();
		count();
		start("spins", spin, 0);
		break;
	case 2:
		tell(reason() == IOTHUB_BOARD_FAULT_WATCHDOG ? "watchdog bit" : "?");
		start("sleeps", cause, IOTHUB_BOARD_FAULT_HANG);
		break;
	case 3:
		tell(reason() == IOTHUB_BOARD_FAULT_WATCHDOG ? "watchdog bit" : "?");
		start("panics", cause, IOTHUB_BOARD_FAULT_PANIC);
		break;
	case 4:
		tell(reason() == K_ERR_KERNEL_PANIC ? "reason 4 of" : "?");
		start("reaches", cause, IOTHUB_BOARD_FAULT_MEMORY);
		break;
	case 5:
		tell(reason() == K_ERR_CPU_EXCEPTION || reason() >= K_ERR_ARCH_START ? "an exception of" : "?");
		/* A restart that is asked for is no fault. */
		iothub_platform_reboot();
		break;
	default:
		expect_no_fault();
		printk("all runs done\n");
	}
	return 0;
}
