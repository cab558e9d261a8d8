/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on a board with a modem: its faults, its functional mode, its AT commands. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <modem/at_monitor.h>
#include <modem/nrf_modem_lib.h>
#include <nrf_modem.h>
#include <nrf_modem_at.h>

#include <iothub_platform.h>

LOG_MODULE_REGISTER(iothub_modem, LOG_LEVEL_INF);

#if defined(CONFIG_IOTHUB_PDN_FAMILY_IPV4)
#define FAMILY "IP"
#elif defined(CONFIG_IOTHUB_PDN_FAMILY_IPV6)
#define FAMILY "IPV6"
#else
#define FAMILY "IPV4V6"
#endif

/* Of an access point name with its operator identifier: 3GPP TS 23.003, 9.1. */
#define APN_MAX 100

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

/* What ends a command, or is no text: the modem would take what follows for a command of its own. */
static bool is_one_command(const char *text)
{
	for (; *text != '\0'; text++) {
		if (*text < ' ' || *text > '~') {
			return false;
		}
	}
	return true;
}

int iothub_platform_at(const char *command, char *answer, size_t len)
{
	if (!is_one_command(command)) {
		return -EINVAL;
	}
	return nrf_modem_at_cmd(answer, len, "%s", command);
}

/* Labels of letters, digits and hyphens, as of a host name; some networks have an underscore. */
static bool is_apn(const char *text)
{
	static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
	size_t length = strspn(text, allowed);

	return text[length] == '\0' && length <= APN_MAX;
}

int iothub_platform_apn_set(const char *apn)
{
	if (!is_apn(apn)) {
		return -EINVAL;
	}
	if (apn[0] == '\0') {
		return nrf_modem_at_printf("AT+CGDCONT=0,\"%s\"", FAMILY);
	}
	return nrf_modem_at_printf("AT+CGDCONT=0,\"%s\",\"%s\"", FAMILY, apn);
}

/* Where the SDK's own defaults of the PDN are on, they are what the family comes from, and are set by the SDK. */
#if !defined(CONFIG_IOTHUB_C_API) && !defined(CONFIG_PDN_DEFAULTS_OVERRIDE) && \
	!defined(CONFIG_LTE_LC_PDN_DEFAULTS_OVERRIDE) && !defined(CONFIG_IOTHUB_PDN_FAMILY_IPV4V6)
static void on_modem_init(int ret, void *context)
{
	ARG_UNUSED(context);
	if (ret == 0 && iothub_platform_apn_set("") != 0) {
		LOG_ERR("the modem does not take the address family " FAMILY " of the PDN");
	}
}

NRF_MODEM_LIB_ON_INIT(iothub_pdn_family, on_modem_init, NULL);
#endif
