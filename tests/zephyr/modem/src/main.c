/* SPDX-License-Identifier: Apache-2.0 */
/* What the simulated modem says on each network, in which order, and on which thread. */
#include <stdio.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>
#include <iothub_sim_modem.h>

/* What src/sim_sdk.c defines; the SDK's own headers of NCS 3.4 have no PDN library. */
#include "../rust/ncs-sys/modem.h"
#include "sim_keys.h"

int nrf_modem_lib_init(void);
int nrf_modem_lib_shutdown(void);

#define LONGEST K_SECONDS(10)

static char said[128];
static char thread[CONFIG_THREAD_MAX_NAME_LEN];
static K_SEM_DEFINE(something_said, 0, 32);
static const char *network_option;

const char *iothub_sim_option_network(void)
{
	return network_option;
}

const char *iothub_sim_option_credentials(void)
{
	return NULL;
}

int sim_keys_load(const char *folder)
{
	ARG_UNUSED(folder);
	return 0;
}

bool sim_keys_has(uint32_t tag, int kind)
{
	return tag == 10 && kind == 0;
}

static void note(const char *what, int value)
{
	size_t used = strlen(said);

	(void)snprintf(said + used, sizeof(said) - used, "%s%d ", what, value);
	(void)k_thread_name_copy(k_current_get(), thread, sizeof(thread));
	k_sem_give(&something_said);
}

static void on_lte(const struct lte_lc_evt *const event)
{
	zassert_equal(event->type, LTE_LC_EVT_NW_REG_STATUS);
	note("cereg", event->nw_reg_status);
}

static void on_pdn(uint8_t cid, enum pdn_event event, int reason)
{
	static const char *const names[] = {
		[PDN_EVENT_CNEC_ESM] = "esm",
		[PDN_EVENT_ACTIVATED] = "activated",
		[PDN_EVENT_DEACTIVATED] = "deactivated",
		[PDN_EVENT_IPV6_UP] = "up",
		[PDN_EVENT_IPV6_DOWN] = "down",
		[PDN_EVENT_NETWORK_DETACH] = "detach",
	};

	zassert_equal(cid, 0);
	note(names[event], reason);
}

static void attach(const char *network, int events, const char *expected)
{
	said[0] = '\0';
	k_sem_reset(&something_said);
	zassert_ok(iothub_sim_modem_network(network));
	zassert_ok(pdn_default_ctx_cb_reg(on_pdn));
	zassert_ok(lte_lc_connect_async(on_lte));
	for (int i = 0; i < events; i++) {
		zassert_ok(k_sem_take(&something_said, LONGEST), "%s: only \"%s\"", network, said);
	}
	zassert_equal(k_sem_take(&something_said, K_SECONDS(5)), -EAGAIN, "%s: \"%s\"", network, said);
	zassert_str_equal(said, expected, "%s: \"%s\"", network, said);
}

ZTEST(modem, test_says_on_each_network_what_real_modems_say)
{
	attach("dual-stack", 4, "cereg2 activated-1 cereg1 up0 ");
	attach("dual-stack-ipv6-never", 3, "cereg2 activated-1 cereg1 ");
	attach("dual-stack-ipv6-fails", 4, "cereg2 activated-1 cereg1 down0 ");
	attach("ipv6-only", 5, "cereg2 activated1 esm51 cereg1 up0 ");
	attach("ipv4-only", 4, "cereg2 activated0 esm50 cereg5 ");
	attach("pdn-refused", 3, "cereg2 cereg1 esm27 ");
	attach("denied", 2, "cereg2 cereg3 ");
	attach("no-sim", 1, "cereg90 ");
	attach("no-cell", 1, "cereg2 ");
}

ZTEST(modem, test_speaks_on_the_system_work_queue)
{
	attach("no-cell", 1, "cereg2 ");
	zassert_str_equal(thread, "sysworkq");
}

ZTEST(modem, test_a_new_attach_takes_the_place_of_the_one_under_way)
{
	said[0] = '\0';
	zassert_ok(iothub_sim_modem_network("dual-stack"));
	zassert_ok(lte_lc_connect_async(on_lte));
	attach("no-sim", 1, "cereg90 ");
}

ZTEST(modem, test_refuses_a_network_that_it_does_not_know)
{
	zassert_equal(iothub_sim_modem_network("5g"), -EINVAL);
	network_option = "5g";
	zassert_equal(nrf_modem_lib_init(), -EINVAL);
	network_option = "ipv6-only";
	zassert_ok(nrf_modem_lib_init());
	network_option = NULL;
}

ZTEST(modem, test_power_off_says_that_all_is_gone)
{
	attach("no-cell", 1, "cereg2 ");
	said[0] = '\0';
	zassert_ok(lte_lc_power_off());
	zassert_ok(k_sem_take(&something_said, LONGEST));
	zassert_ok(k_sem_take(&something_said, LONGEST));
	zassert_str_equal(said, "cereg0 deactivated0 ");
}

static void on_modem(unsigned int what, int value)
{
	note(what == IOTHUB_MODEM_FAULT ? "fault" : "cfun", value);
}

ZTEST(modem, test_after_a_fault_it_is_silent_until_it_is_started_again)
{
	static const struct iothub_sim_step fault[] = {
		{10, IOTHUB_SIM_FAULT, 0x10},
		{10, IOTHUB_SIM_REGISTRATION, LTE_LC_NW_REG_REGISTERED_HOME},
		{0, IOTHUB_SIM_END, 0},
	};

	attach("no-cell", 1, "cereg2 ");
	said[0] = '\0';
	iothub_platform_modem_watch(on_modem);
	iothub_sim_modem_play(fault);
	zassert_ok(k_sem_take(&something_said, LONGEST));
	zassert_equal(k_sem_take(&something_said, K_SECONDS(5)), -EAGAIN);
	zassert_str_equal(said, "fault16 ");
	zassert_equal(lte_lc_connect_async(on_lte), -EFAULT);

	zassert_ok(nrf_modem_lib_shutdown());
	zassert_ok(nrf_modem_lib_init());
	attach("no-cell", 1, "cereg2 ");
}

ZTEST(modem, test_answers_the_commands_that_iothub_sends)
{
	char answer[64];

	zassert_ok(iothub_platform_at("AT+CGMR", answer, sizeof(answer)));
	zassert_str_equal(answer, "iothub_sim_1.0.0\r\nOK\r\n");
	zassert_ok(iothub_platform_at("AT%CMNG=1,10,0", answer, sizeof(answer)));
	zassert_str_equal(answer, "%CMNG: \r\nOK\r\n");
	zassert_ok(iothub_platform_at("AT%CMNG=1,10,2", answer, sizeof(answer)));
	zassert_str_equal(answer, "OK\r\n");
	zassert_equal(iothub_platform_at("AT+CGMR", answer, 8), -E2BIG);
	zassert_equal(iothub_platform_at("AT+CFUN=1", answer, sizeof(answer)), -ENOTSUP);
}

static void *start(void)
{
	zassert_ok(nrf_modem_lib_init());
	return NULL;
}

ZTEST_SUITE(modem, NULL, start, NULL, NULL, NULL);
