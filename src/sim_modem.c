/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A modem for boards that have none (native_sim, QEMU): the functions of Nordic's modem library, of its LTE
 * link control and of its PDN library that iothub calls, played from lists of events. Order and times are
 * those that logs of real modems show, and as on the device the events come from the system work queue.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <iothub_platform.h>
#include <iothub_sim_modem.h>

#include "../rust/ncs-sys/modem.h"
#include "credentials.h"
#include "sim_keys.h"

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
static lte_lc_evt_handler_t on_lte;
static void (*on_modem)(unsigned int what, int value);
static bool running;

static void say(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(playing, say);

static pdn_event_handler_t on_pdn;

int pdn_default_ctx_cb_reg(pdn_event_handler_t cb)
{
	on_pdn = cb;
	return 0;
}

static void pdn_event(uint8_t what, int value)
{
	static const enum pdn_event events[] = {
		[IOTHUB_SIM_ESM] = PDN_EVENT_CNEC_ESM,
		[IOTHUB_SIM_ACTIVATED] = PDN_EVENT_ACTIVATED,
		[IOTHUB_SIM_DEACTIVATED] = PDN_EVENT_DEACTIVATED,
		[IOTHUB_SIM_IPV6_UP] = PDN_EVENT_IPV6_UP,
		[IOTHUB_SIM_IPV6_DOWN] = PDN_EVENT_IPV6_DOWN,
		[IOTHUB_SIM_DETACH] = PDN_EVENT_NETWORK_DETACH,
	};

	if (on_pdn != NULL) {
		on_pdn(0, events[what], value);
	}
}

/* As the real one it says nothing more until it is shut down and started again; it does so once a start. */
static void stop(int reason)
{
	(void)k_work_cancel_delayable(&playing);
	running = false;
	network = &networks[0];
	if (on_modem != NULL) {
		on_modem(IOTHUB_MODEM_FAULT, reason);
	}
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
	} else if (step->what != IOTHUB_SIM_REGISTRATION) {
		pdn_event(step->what, step->value);
	} else if (on_lte != NULL) {
		const struct lte_lc_evt event = {
			.type = LTE_LC_EVT_NW_REG_STATUS,
			.nw_reg_status = step->value,
		};

		on_lte(&event);
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

	if (name != NULL && iothub_sim_modem_network(name) != 0) {
		LOG_ERR("--network=%s is no network of src/sim_modem.c", name);
		return -EINVAL;
	}
#if defined(CONFIG_IOTHUB_CREDENTIALS_DIR)
	if (sizeof(CONFIG_IOTHUB_CREDENTIALS_DIR) > 1) {
		int err = iothub_credentials_write();

		if (err != 0) {
			return err;
		}
	}
#endif
	running = true;
	return sim_keys_load(iothub_sim_option_credentials());
}

int nrf_modem_lib_shutdown(void)
{
	(void)k_work_cancel_delayable(&playing);
	running = false;
	return 0;
}

void iothub_platform_modem_watch(void (*handler)(unsigned int what, int value))
{
	on_modem = handler;
}

static int answer_with(char *answer, size_t len, const char *line)
{
	int length = snprintk(answer, len, "%sOK\r\n", line);

	return length < 0 || (size_t)length >= len ? -E2BIG : 0;
}

/* What iothub and its application ask: what the modem is, where it is, what it runs on, and whether a credential is there. */
int iothub_platform_at(const char *command, char *answer, size_t len)
{
	static const char list[] = "AT%CMNG=1,";
	static const char *const known[][2] = {
		{"AT+CGMR", "iothub_sim_1.0.0\r\n"},
		{"AT+CGSN", "352656100367872\r\n"},
		{"AT%XICCID", "%XICCID: 8901234567890123456F\r\n"},
		{"AT%XVBAT", "%XVBAT: 3950\r\n"},
		{"AT%XMONITOR", "%XMONITOR: 1,\"Simulated\",\"Sim\",\"50501\",\"1A2B\",7,28,\"00843200\",7,9410,44,33\r\n"},
		{"AT%CONEVAL", "%CONEVAL: 0,1,8,44,12,33,\"00843200\",\"50501\",7,9410,28,0,0,0,1,1,90\r\n"},
		{"AT+CGPADDR=0", "+CGPADDR: 0,\"192.0.2.17\"\r\n"},
	};
	char *rest;

	for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
		if (strcmp(command, known[i][0]) == 0) {
			return answer_with(answer, len, known[i][1]);
		}
	}
	if (strncmp(command, list, strlen(list)) == 0) {
		unsigned long tag = strtoul(command + strlen(list), &rest, 10);

		return answer_with(answer, len,
				   sim_keys_has(tag, *rest == ',' ? rest[1] - '0' : -1) ? "%CMNG: \r\n" : "");
	}
	return -ENOTSUP;
}

int iothub_platform_apn_set(const char *apn)
{
	LOG_INF("the access point name is \"%s\"", apn);
	return 0;
}

int lte_lc_connect_async(lte_lc_evt_handler_t handler)
{
	if (!running) {
		return -EFAULT;
	}
	on_lte = handler;
	LOG_INF("attaching to the network %s", network->name);
	iothub_sim_modem_play(network->steps);
	return 0;
}

int lte_lc_power_off(void)
{
	static const struct iothub_sim_step off[] = {
		{0, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_NOT_REGISTERED},
		{0, IOTHUB_SIM_DEACTIVATED, 0},
		END,
	};

	iothub_sim_modem_play(off);
	return 0;
}
