/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The AT interface of the modem library over the modem of src/sim_modem.c: Nordic's own lte_lc, with its module of the packet
 * data network, and AT monitor run on a board without a modem. A command that is not in the tables is answered ERROR.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <modem/nrf_modem_lib.h>
#include <nrf_errno.h>
#include <nrf_modem.h>
#include <nrf_modem_at.h>
#include <nrf_socket.h>

#include "net_names.h"
#include "sim_answers.h"
#include "sim_play.h"

/* Under the name that the SDK's cfun_hooks.c expects. */
LOG_MODULE_REGISTER(nrf_modem, CONFIG_NRF_MODEM_LIB_LOG_LEVEL);

#define COMMAND_MAX 256
#define ANSWER_MAX 512
#define SAID_ERROR (NRF_MODEM_AT_ERROR << 16)

#define CFUN_POWER_OFF 0
#define CFUN_NORMAL 1
#define CFUN_OFFLINE 4
#define CFUN_DEACTIVATE_LTE 20
#define CFUN_ACTIVATE_LTE 21

/* One command at a time, as in the modem. */
static K_MUTEX_DEFINE(turn);
static char command[COMMAND_MAX];
static char answer[ANSWER_MAX];

static nrf_modem_at_notif_handler_t on_notification;
static nrf_modem_at_cfun_handler_t on_cfun;

/* What was subscribed to is lost when the modem is switched off. */
static struct {
	bool registration;
	bool pdn;
	bool esm;
} told;
static int functional_mode;
static int registration;

static int answer_ok(const char *line)
{
	int length = snprintf(answer, sizeof(answer), "%sOK\r\n", line);

	return length < 0 || (size_t)length >= sizeof(answer) ? -NRF_E2BIG : 0;
}

static int answer_error(void)
{
	(void)strcpy(answer, "ERROR\r\n");
	return SAID_ERROR;
}

static int subscribe(bool *what, bool wanted)
{
	*what = wanted;
	return answer_ok("");
}

static int functional_mode_set(int mode)
{
	switch (mode) {
	case CFUN_NORMAL:
	case CFUN_ACTIVATE_LTE:
		if (sim_modem_attach() != 0) {
			return answer_error();
		}
		break;
	case CFUN_POWER_OFF:
	case CFUN_OFFLINE:
	case CFUN_DEACTIVATE_LTE:
		sim_modem_detach();
		break;
	default:
		return answer_error();
	}
	functional_mode = mode;
	return answer_ok("");
}

/* What sets something that a simulation has not: taken, and of no effect. */
static bool is_taken(void)
{
	static const char *const prefixes[] = {
		"AT%XSYSTEMMODE=", "AT%FEACONF=", "AT%XEPCO=",	"AT%MDMEV=", "AT%XMODEMSLEEP=", "AT%XPTW=",  "AT%RAI=",
		"AT%XT3412=",	   "AT+CSCON=",	  "AT+CGDCONT=", "AT+COPS=",  "AT+CPSMS=",	 "AT+CEDRXS=",
	};

	for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
		if (strncmp(command, prefixes[i], strlen(prefixes[i])) == 0) {
			return true;
		}
	}
	return false;
}

static int number_after(const char *prefix, int *number)
{
	size_t length = strlen(prefix);
	char *end;

	if (strncmp(command, prefix, length) != 0) {
		return -ENOENT;
	}
	*number = strtol(command + length, &end, 10);
	return end == command + length ? -EINVAL : 0;
}

static int execute(void)
{
	char line[64];
	int number;

	if (number_after("AT+CFUN=", &number) == 0) {
		return functional_mode_set(number);
	}
	if (number_after("AT+CEREG=", &number) == 0) {
		return subscribe(&told.registration, number != 0);
	}
	if (number_after("AT+CGEREP=", &number) == 0) {
		return subscribe(&told.pdn, number == 1);
	}
	if (number_after("AT+CNEC=", &number) == 0) {
		return subscribe(&told.esm, (number & 16) != 0);
	}
	if (strcmp(command, "AT+CFUN?") == 0) {
		(void)snprintf(line, sizeof(line), "+CFUN: %d\r\n", functional_mode);
		return answer_ok(line);
	}
	if (strcmp(command, "AT+CEREG?") == 0) {
		bool is_registered = registration == 1 || registration == 5;

		(void)snprintf(line, sizeof(line), "+CEREG: %d,%d,\"%s\",\"%s\",7\r\n", told.registration ? 5 : 0,
			       registration, is_registered ? "1A2B" : "FFFE", is_registered ? "00843200" : "FFFFFFFF");
		return answer_ok(line);
	}
	if (is_taken()) {
		return answer_ok("");
	}
	return sim_answer(command, answer, sizeof(answer)) == 0 ? 0 : answer_error();
}

static int run(const char *format, va_list arguments)
{
	int length = vsnprintf(command, sizeof(command), format, arguments);
	int mode = functional_mode;
	int said;

	if (length < 0 || (size_t)length >= sizeof(command)) {
		return -NRF_E2BIG;
	}
	said = execute();
	LOG_DBG("%s: %s", command, answer);
	if (said == 0 && strncmp(command, "AT+CFUN=", strlen("AT+CFUN=")) == 0 && on_cfun != NULL) {
		/* The hooks send commands of their own. */
		mode = functional_mode;
		k_mutex_unlock(&turn);
		on_cfun(mode);
		(void)k_mutex_lock(&turn, K_FOREVER);
	}
	return said;
}

int nrf_modem_at_printf(const char *fmt, ...)
{
	va_list arguments;
	int said;

	(void)k_mutex_lock(&turn, K_FOREVER);
	va_start(arguments, fmt);
	said = run(fmt, arguments);
	va_end(arguments);
	k_mutex_unlock(&turn);
	return said;
}

int nrf_modem_at_cmd(void *buf, size_t len, const char *fmt, ...)
{
	va_list arguments;
	int said;

	(void)k_mutex_lock(&turn, K_FOREVER);
	va_start(arguments, fmt);
	said = run(fmt, arguments);
	va_end(arguments);
	if (said >= 0 && strlen(answer) >= len) {
		said = -NRF_E2BIG;
	} else if (said >= 0) {
		(void)strcpy(buf, answer);
	}
	k_mutex_unlock(&turn);
	return said;
}

int nrf_modem_at_scanf(const char *cmd, const char *fmt, ...)
{
	va_list arguments;
	int said;

	(void)k_mutex_lock(&turn, K_FOREVER);
	(void)snprintf(command, sizeof(command), "%s", cmd);
	said = execute();
	if (said == 0) {
		va_start(arguments, fmt);
		said = vsscanf(answer, fmt, arguments);
		va_end(arguments);
		said = said > 0 ? said : -NRF_EBADMSG;
	}
	k_mutex_unlock(&turn);
	return said;
}

int nrf_modem_at_notif_handler_set(nrf_modem_at_notif_handler_t callback)
{
	on_notification = callback;
	return 0;
}

void nrf_modem_at_cfun_handler_set(nrf_modem_at_cfun_handler_t handler)
{
	on_cfun = handler;
}

static void notify(bool wanted, const char *format, int value)
{
	char line[80];

	if (wanted && on_notification != NULL) {
		(void)snprintf(line, sizeof(line), format, value);
		on_notification(line);
	}
}

static void notify_registration(int status)
{
	static const char with_cell[] = "+CEREG: %d,\"1A2B\",\"00843200\",7,,,\"11100000\",\"11100000\"\r\n";
	bool is_registered = status == 1 || status == 5;

	registration = status;
	notify(told.registration, is_registered ? with_cell : "+CEREG: %d\r\n", status);
}

void sim_modem_tell(const struct iothub_sim_step *step)
{
	switch (step->what) {
	case IOTHUB_SIM_REGISTRATION:
		notify_registration(step->value);
		break;
	case IOTHUB_SIM_ESM:
		notify(told.esm, "+CNEC_ESM: %d,0\r\n", step->value);
		break;
	case IOTHUB_SIM_ACTIVATED:
		notify(told.pdn, step->value < 0 ? "+CGEV: ME PDN ACT 0\r\n" : "+CGEV: ME PDN ACT 0,%d\r\n", step->value);
		break;
	case IOTHUB_SIM_DEACTIVATED:
		notify(told.pdn, "+CGEV: ME PDN DEACT 0\r\n", 0);
		if (functional_mode == CFUN_POWER_OFF) {
			(void)memset(&told, 0, sizeof(told));
		}
		break;
	case IOTHUB_SIM_IPV6_UP:
		notify(told.pdn, "+CGEV: IPV6 0\r\n", 0);
		break;
	case IOTHUB_SIM_IPV6_DOWN:
		notify(told.pdn, "+CGEV: IPV6 FAIL 0\r\n", 0);
		break;
	case IOTHUB_SIM_DETACH:
		notify(told.pdn, "+CGEV: ME DETACH\r\n", 0);
		break;
	default:
		break;
	}
}

void sim_modem_fault(int reason)
{
#if defined(CONFIG_IOTHUB_MODEM_FAULT)
	struct nrf_modem_fault_info fault = {.reason = reason};

	nrf_modem_fault_handler(&fault);
#else
	ARG_UNUSED(reason);
#endif
}

void sim_modem_started(void)
{
	functional_mode = CFUN_POWER_OFF;
	registration = 0;
	(void)memset(&told, 0, sizeof(told));
	STRUCT_SECTION_FOREACH(nrf_modem_lib_init_cb, hook) {
		hook->callback(0, hook->context);
	}
}

/* Of lte_lc's fallback for networks without DNS: the simulation has the resolver of its host. */
int nrf_inet_pton(int af, const char *restrict src, void *restrict dst)
{
	return zsock_inet_pton(af == NRF_AF_INET ? NET_AF_INET : NET_AF_INET6, src, dst);
}

int nrf_setdnsaddr(int family, const void *in_addr, nrf_socklen_t in_size)
{
	ARG_UNUSED(family);
	ARG_UNUSED(in_addr);
	ARG_UNUSED(in_size);
	return 0;
}
