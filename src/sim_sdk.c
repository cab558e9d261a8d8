/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of Nordic's libraries that iothub calls, over the modem of src/sim_modem.c. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <iothub_platform.h>

#include "../rust/ncs-sys/modem.h"
#include "sim_answers.h"
#include "sim_play.h"

LOG_MODULE_REGISTER(sim_sdk, LOG_LEVEL_INF);

/* src/c_api.c has the same of the SDK's own header, which an application in C looks at the events with. */
BUILD_ASSERT(offsetof(struct lte_lc_evt, nw_reg_status) == 8, "an application would read another word of the event");

static lte_lc_evt_handler_t on_lte;
static pdn_event_handler_t on_pdn;
static void (*on_modem)(unsigned int what, int value);

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

void sim_modem_tell(const struct iothub_sim_step *step)
{
	if (step->what != IOTHUB_SIM_REGISTRATION) {
		pdn_event(step->what, step->value);
	} else if (on_lte != NULL) {
		const struct lte_lc_evt event = {
			.type = LTE_LC_EVT_NW_REG_STATUS,
			.nw_reg_status = step->value,
		};

		on_lte(&event);
	}
}

void sim_modem_fault(int reason)
{
	if (on_modem != NULL) {
		on_modem(IOTHUB_MODEM_FAULT, reason);
	}
}

void sim_modem_started(void)
{
}

void iothub_platform_modem_watch(void (*handler)(unsigned int what, int value))
{
	on_modem = handler;
}

int iothub_platform_at(const char *command, char *answer, size_t len)
{
	return sim_answer(command, answer, len);
}

int iothub_platform_apn_set(const char *apn)
{
	LOG_INF("the access point name is \"%s\"", apn);
	return 0;
}

int lte_lc_connect_async(lte_lc_evt_handler_t handler)
{
	on_lte = handler;
	return sim_modem_attach();
}

int lte_lc_power_off(void)
{
	sim_modem_detach();
	return 0;
}
