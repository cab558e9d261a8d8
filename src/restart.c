/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Restarts, the modem first: it counts those without AT+CFUN=0 before them, and after too many refuses to attach for half an
 * hour (lte_lc.h; nRF91 AT commands, %MDMEV: RESET LOOP).
 */
#include <zephyr/irq.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/logging/log_ctrl.h>
#include <zephyr/sys/reboot.h>

#include <iothub_platform.h>

#include "../rust/ncs-sys/modem.h"

LOG_MODULE_REGISTER(iothub_restart, LOG_LEVEL_INF);

/* Detaching takes 1 to 3 s; without coverage a little more. */
#define OFF_S 10

#if defined(CONFIG_LTE_LINK_CONTROL) || defined(CONFIG_IOTHUB_SIM_MODEM)
static K_SEM_DEFINE(is_off, 0, 1);

static void switch_off(struct k_work *work)
{
	ARG_UNUSED(work);
	if (lte_lc_power_off() == 0) {
		LOG_INF("the modem is switched off for a restart");
	}
	k_sem_give(&is_off);
}

static K_WORK_DEFINE(off, switch_off);

/* Another thread waits for the modem, so that one which does not answer holds up no restart. */
static void switch_modem_off(void)
{
	if (k_current_get() == &k_sys_work_q.thread) {
		switch_off(&off);
		return;
	}
	k_sem_reset(&is_off);
	(void)k_work_submit(&off);
	if (k_sem_take(&is_off, K_SECONDS(OFF_S)) != 0) {
		LOG_ERR("the modem is not off after %d s: restarting all the same", OFF_S);
	}
}
#else
static void switch_modem_off(void)
{
}
#endif

FUNC_NORETURN void __real_sys_reboot(int type);
FUNC_NORETURN void __wrap_sys_reboot(int type);

/* In an interrupt, and in a fatal error, nobody can wait for the modem. */
static bool may_wait(void)
{
	unsigned int key = irq_lock();
	bool is_open = arch_irq_unlocked(key);

	irq_unlock(key);
	return is_open && !k_is_in_isr();
}

/* Whoever restarts comes by here: the button, an update, the shell's `kernel reboot`, MCUmgr. */
void __wrap_sys_reboot(int type)
{
	if (may_wait()) {
		switch_modem_off();
	}
	LOG_PANIC();
	__real_sys_reboot(type);
}

void iothub_platform_reboot(void)
{
	__wrap_sys_reboot(SYS_REBOOT_COLD);
}

#if defined(CONFIG_RUST)
/* zephyr-lang-rust's panic handler ends here. An interrupt cannot wait for the modem, and nor can a second panic. */
void __real_rust_panic_wrap(void);
void __wrap_rust_panic_wrap(void);

void __wrap_rust_panic_wrap(void)
{
	static atomic_t panicked;

	if (may_wait() && atomic_cas(&panicked, 0, 1)) {
		switch_modem_off();
	}
	__real_rust_panic_wrap();
}
#endif
