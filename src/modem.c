/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on a board with a modem: its faults, its functional mode, its AT commands. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <modem/at_monitor.h>
#include <modem/nrf_modem_lib.h>
#include <nrf_modem.h>
#include <nrf_modem_at.h>

#include <iothub_platform.h>

LOG_MODULE_REGISTER(iothub_modem, LOG_LEVEL_INF);

#if defined(CONFIG_PDN_DEFAULT_FAM_IPV4)
#define FAMILY "IP"
#elif defined(CONFIG_PDN_DEFAULT_FAM_IPV6)
#define FAMILY "IPV6"
#else
#define FAMILY "IPV4V6"
#endif

#define FUNCTIONAL_NORMAL 1
#define FUNCTIONAL_ACTIVATE_LTE 21

static void (*handler)(unsigned int what, int value);

static void tell(unsigned int what, int value)
{
	if (handler != NULL) {
		handler(what, value);
	}
}

void iothub_platform_modem_watch(void (*with)(unsigned int what, int value))
{
	handler = with;
}

#if defined(CONFIG_IOTHUB_MODEM_FAULT)
void nrf_modem_fault_handler(struct nrf_modem_fault_info *fault)
{
	tell(IOTHUB_MODEM_FAULT, (int)fault->reason);
}
#endif

#if defined(CONFIG_NRF_MODEM_LIB_CFUN_HOOKS)
NRF_MODEM_LIB_ON_CFUN(iothub, on_cfun, NULL);

static void on_cfun(int mode, void *context)
{
	ARG_UNUSED(context);
	tell(IOTHUB_MODEM_CFUN, mode);
	/* Lost whenever the modem is switched off. Firmware that does not know it says ERROR: nothing to do about it. */
	if (mode == FUNCTIONAL_NORMAL || mode == FUNCTIONAL_ACTIVATE_LTE) {
		(void)nrf_modem_at_printf("%s", "AT%MDMEV=1");
	}
}

/* Too hot, battery low, restarted so often that it waits for half an hour: why there is no network. */
AT_MONITOR(iothub_modem_event, "%MDMEV: ", on_modem_event);

static void on_modem_event(const char *notification)
{
	const char *what = notification + strlen("%MDMEV: ");

	/* Ends of searches come all the time. */
	if (strncmp(what, "SEARCH STATUS", strlen("SEARCH STATUS")) != 0) {
		LOG_WRN("the modem reports %.*s", (int)strcspn(what, "\r\n"), what);
	}
}
#endif

int iothub_platform_at(const char *command, char *answer, size_t len)
{
	return nrf_modem_at_cmd(answer, len, "%s", command);
}

int iothub_platform_apn_set(const char *apn)
{
	return nrf_modem_at_printf("AT+CGDCONT=0,\"%s\",\"%s\"", FAMILY, apn);
}
