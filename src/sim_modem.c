/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A modem for boards that have none (native_sim, QEMU), played from lists of events. Order and times are those that logs of
 * real modems show, and as on the device the events come from the system work queue. src/sim_sdk.c has the functions of
 * Nordic's libraries that iothub calls; with CONFIG_IOTHUB_SIM_AT these libraries run themselves, over src/sim_at.c.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <iothub_platform.h>
#include <iothub_sim_modem.h>

#include "../rust/ncs-sys/modem.h"
#include "credentials.h"
#include "sim_keys.h"
#include "sim_play.h"

LOG_MODULE_REGISTER(sim_modem, LOG_LEVEL_INF);

#define SEARCHING {50, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_SEARCHING}
#define ACTIVATED(reason) {1500, IOTHUB_SIM_ACTIVATED, reason}
#define ESM(cause) {5, IOTHUB_SIM_ESM, cause}
#define HOME {20, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_REGISTERED_HOME}
#define ROAMING {20, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_REGISTERED_ROAMING}
#define IPV6_UP {1200, IOTHUB_SIM_IPV6_UP, 0}
#define IPV6_FAIL {1200, IOTHUB_SIM_IPV6_DOWN, 0}
#define DENIED {1500, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_REGISTRATION_DENIED}
#define NO_SIM {50, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_UICC_FAIL}
#define PDN_REFUSED {1500, IOTHUB_SIM_ESM, 27}
#define FAULT {20000, IOTHUB_SIM_FAULT, 0x10}
#define END {0, IOTHUB_SIM_END, 0}

static const struct network {
	const char *name;
	struct iothub_sim_step steps[6];
} networks[] = {
	{"dual-stack", {SEARCHING, ACTIVATED(-1), HOME, IPV6_UP, END}},
	{"dual-stack-ipv6-never", {SEARCHING, ACTIVATED(-1), HOME, END}},
	{"dual-stack-ipv6-fails", {SEARCHING, ACTIVATED(-1), HOME, IPV6_FAIL, END}},
	{"ipv6-only", {SEARCHING, ACTIVATED(1), ESM(51), HOME, IPV6_UP, END}},
	{"ipv6-only-never", {SEARCHING, ACTIVATED(1), ESM(51), HOME, END}},
	{"ipv6-only-fails", {SEARCHING, ACTIVATED(1), ESM(51), HOME, IPV6_FAIL, END}},
	{"ipv4-only", {SEARCHING, ACTIVATED(0), ESM(50), ROAMING, END}},
	{"dual-stack-fault", {SEARCHING, ACTIVATED(-1), HOME, IPV6_UP, FAULT, END}},
	{"pdn-refused", {SEARCHING, HOME, PDN_REFUSED, END}},
	{"denied", {SEARCHING, DENIED, END}},
	{"no-sim", {NO_SIM, END}},
	{"no-cell", {SEARCHING, END}},
};

static const struct network *network = &networks[0];
static const struct iothub_sim_step *next;
static bool running;
/* LTE is on; there is a network. */
static bool is_on, is_covered = true;

static void say(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(playing, say);

/* As the real one it says nothing more until it is shut down and started again; it does so once a start. */
static void stop(int reason)
{
	(void)k_work_cancel_delayable(&playing);
	running = is_on = false;
	network = &networks[0];
	sim_modem_fault(reason);
}

static void say(struct k_work *work)
{
	const struct iothub_sim_step *step = next++;

	ARG_UNUSED(work);
	if (next->what != IOTHUB_SIM_END) {
		(void)k_work_schedule(&playing, K_MSEC(next->after_ms));
	}
	if (step->what == IOTHUB_SIM_FAULT) {
		stop(step->value);
	} else {
		sim_modem_tell(step);
	}
}

void iothub_sim_modem_play(const struct iothub_sim_step *steps)
{
	(void)k_work_cancel_delayable(&playing);
	next = steps;
	if (next->what != IOTHUB_SIM_END) {
		(void)k_work_schedule(&playing, K_MSEC(next->after_ms));
	}
}

int iothub_sim_modem_network(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(networks); i++) {
		if (strcmp(networks[i].name, name) == 0) {
			network = &networks[i];
			return 0;
		}
	}
	return -EINVAL;
}

int nrf_modem_lib_init(void)
{
	const char *name = iothub_sim_option_network();
	int err;

	if (name != NULL && iothub_sim_modem_network(name) != 0) {
		LOG_ERR("--network=%s is no network of src/sim_modem.c", name);
		return -EINVAL;
	}
#if defined(CONFIG_IOTHUB_CREDENTIALS_DIR)
	if (sizeof(CONFIG_IOTHUB_CREDENTIALS_DIR) > 1) {
		err = iothub_credentials_write();
		if (err != 0) {
			return err;
		}
	}
#endif
	running = true;
	err = sim_keys_load(iothub_sim_option_credentials());
	if (err == 0) {
		sim_modem_started();
	}
	return err;
}

int nrf_modem_lib_shutdown(void)
{
	(void)k_work_cancel_delayable(&playing);
	running = is_on = false;
	return 0;
}

static void play_coverage(bool on, bool covered)
{
	static const struct iothub_sim_step lost[] = {
		{0, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_NOT_REGISTERED},
		{0, IOTHUB_SIM_DETACH, 0},
		SEARCHING,
		END,
	};

	/* Who switches LTE on, and the system work queue. */
	k_sched_lock();
	is_on = on;
	is_covered = covered;
	if (on) {
		iothub_sim_modem_play(covered ? network->steps : lost);
	}
	k_sched_unlock();
}

int sim_modem_attach(void)
{
	if (!running) {
		return -EFAULT;
	}
	LOG_INF("attaching to the network %s", network->name);
	play_coverage(true, is_covered);
	return 0;
}

void sim_modem_cover(bool covered)
{
	play_coverage(is_on, covered);
}

void sim_modem_detach(void)
{
	static const struct iothub_sim_step off[] = {
		{0, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_NOT_REGISTERED},
		{0, IOTHUB_SIM_DEACTIVATED, 0},
		END,
	};

	is_on = false;
	iothub_sim_modem_play(off);
}
