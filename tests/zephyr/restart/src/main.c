/* SPDX-License-Identifier: Apache-2.0 */
/*
 * src/restart.c: the modem is off before the board restarts, whoever restarts it; one that does not answer holds up no
 * restart, and where nobody can wait nobody does.
 */
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>

#define TIMEOUT K_SECONDS(60)
#define LONGEST_MS 11000
#define RESTARTS 5

/* The linker's --wrap gives these to src/restart.c; here they are called, and the ends are played. */
FUNC_NORETURN void __wrap_sys_reboot(int type);
FUNC_NORETURN void __real_sys_reboot(int type);
void __wrap_rust_panic_wrap(void);
void __real_rust_panic_wrap(void);
int lte_lc_power_off(void);

static K_SEM_DEFINE(restarted, 0, 1);
static K_SEM_DEFINE(modem_answers, 0, 1);
static K_THREAD_STACK_ARRAY_DEFINE(stacks, RESTARTS, 2048);
static struct k_thread threads[RESTARTS];
static size_t count;
static atomic_t is_off;
static atomic_t was_off;
static bool is_deaf;

int lte_lc_power_off(void)
{
	k_sleep(K_SECONDS(2));
	if (is_deaf) {
		(void)k_sem_take(&modem_answers, K_FOREVER);
	}
	atomic_set(&is_off, 1);
	return 0;
}

static FUNC_NORETURN void end(void)
{
	atomic_set(&was_off, atomic_get(&is_off));
	k_sem_give(&restarted);
	k_sleep(K_FOREVER);
	CODE_UNREACHABLE;
}

void __real_sys_reboot(int type)
{
	ARG_UNUSED(type);
	end();
}

void __real_rust_panic_wrap(void)
{
	end();
}

/* `kernel reboot` of Zephyr's shell, and MCUmgr's command. */
static void restart_as_the_shell(void)
{
	__wrap_sys_reboot(0);
}

/* Zephyr's handler of fatal errors, which has locked the interrupts. */
static void restart_after_a_fatal_error(void)
{
	(void)irq_lock();
	__wrap_sys_reboot(0);
}

static void restart(void *how, void *unused1, void *unused2)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	((void (*)(void))how)();
}

static int64_t restart_takes(void (*how)(void))
{
	const int64_t from = k_uptime_get();

	zassert_true(count < RESTARTS);
	k_thread_create(&threads[count], stacks[count], K_THREAD_STACK_SIZEOF(stacks[0]), restart, (void *)how, NULL, NULL,
			K_PRIO_PREEMPT(10), 0, K_NO_WAIT);
	count++;
	zassert_ok(k_sem_take(&restarted, TIMEOUT), "the board does not restart");
	return k_uptime_get() - from;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	is_deaf = false;
	atomic_set(&is_off, 0);
	atomic_set(&was_off, 0);
}

/* The button and an update. */
ZTEST(restart, test_the_modem_is_off_before)
{
	(void)restart_takes(iothub_platform_reboot);
	zassert_true(atomic_get(&was_off));
}

ZTEST(restart, test_the_modem_is_off_before_a_restart_of_the_shell)
{
	(void)restart_takes(restart_as_the_shell);
	zassert_true(atomic_get(&was_off));
}

ZTEST(restart, test_the_modem_is_off_before_a_panic_ends)
{
	(void)restart_takes(__wrap_rust_panic_wrap);
	zassert_true(atomic_get(&was_off));
}

ZTEST(restart, test_a_fatal_error_does_not_wait)
{
	int64_t took = restart_takes(restart_after_a_fatal_error);

	zassert_between_inclusive(took, 0, 1000);
	zassert_false(atomic_get(&was_off));
}

ZTEST(restart, test_a_modem_that_does_not_answer_holds_up_nothing)
{
	int64_t took;

	is_deaf = true;
	took = restart_takes(iothub_platform_reboot);
	zassert_false(atomic_get(&was_off));
	zassert_between_inclusive(took, 2000, LONGEST_MS, "%lld ms", (long long)took);
	k_sem_give(&modem_answers);
}

ZTEST_SUITE(restart, NULL, NULL, before, NULL, NULL);
