/* SPDX-License-Identifier: Apache-2.0 */
/* What the modem tells by itself: when it is connected to the cell, its functional mode, its faults, and its AT commands. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <modem/at_monitor.h>
#include <modem/nrf_modem_lib.h>
#include <nrf_modem.h>
#include <nrf_modem_at.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_board.h>
#include <iothub_platform.h>

static char commands[256];
static int at_result;

/* The modem, played. */
static int take(const char *format, va_list arguments)
{
	size_t used = strlen(commands);

	(void)vsnprintf(commands + used, sizeof(commands) - used, format, arguments);
	(void)strncat(commands, ";", sizeof(commands) - strlen(commands) - 1);
	return at_result;
}

int nrf_modem_at_printf(const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = take(format, arguments);
	va_end(arguments);
	return result;
}

int nrf_modem_at_cmd(void *buf, size_t len, const char *format, ...)
{
	va_list arguments;
	int result;

	va_start(arguments, format);
	result = take(format, arguments);
	va_end(arguments);
	(void)snprintf(buf, len, "+CFUN: 1\r\nOK\r\n");
	return result;
}

static void notify(const char *notification)
{
	STRUCT_SECTION_FOREACH(at_monitor_entry, monitor) {
		if (strstr(notification, monitor->filter) != NULL) {
			monitor->handler(notification);
		}
	}
}

static void cfun(int mode)
{
	STRUCT_SECTION_FOREACH(nrf_modem_lib_at_cfun_cb, hook) {
		hook->callback(mode, hook->context);
	}
}

static unsigned int told[2];
static int values[2];

static void on_modem(unsigned int what, int value)
{
	told[what]++;
	values[what] = value;
}

static uint32_t radio(unsigned int what)
{
	uint32_t value = UINT32_MAX;

	zassert_ok(iothub_board_radio(what, &value));
	return value;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	notify("+CSCON: 0\r\n");
	commands[0] = '\0';
	at_result = 0;
	memset(told, 0, sizeof(told));
	iothub_platform_modem_watch(on_modem);
}

ZTEST(radio, test_seconds_and_connections_are_those_that_the_modem_tells)
{
	uint32_t seconds = radio(IOTHUB_BOARD_RADIO_SECONDS);
	uint32_t connections = radio(IOTHUB_BOARD_RADIO_CONNECTIONS);
	uint32_t value;

	zassert_equal(radio(IOTHUB_BOARD_RADIO_IS_ON), 0);
	notify("+CSCON: 1\r\n");
	zassert_equal(radio(IOTHUB_BOARD_RADIO_IS_ON), 1);
	k_sleep(K_MSEC(2100));
	zassert_between_inclusive(radio(IOTHUB_BOARD_RADIO_SECONDS) - seconds, 2, 60, "also while it is on");
	/* Told once more, it is the same connection. */
	notify("+CSCON: 1,7\r\n");
	zassert_equal(radio(IOTHUB_BOARD_RADIO_CONNECTIONS), connections + 1);
	notify("+CSCON: 0\r\n");
	notify("+CSCON: 0\r\n");
	zassert_equal(radio(IOTHUB_BOARD_RADIO_IS_ON), 0);
	seconds = radio(IOTHUB_BOARD_RADIO_SECONDS);
	k_sleep(K_MSEC(3000));
	zassert_equal(radio(IOTHUB_BOARD_RADIO_SECONDS), seconds, "nothing is counted while it is off");
	notify("+CSCON: 1\r\n");
	zassert_equal(radio(IOTHUB_BOARD_RADIO_CONNECTIONS), connections + 2);
	zassert_equal(iothub_board_radio(IOTHUB_BOARD_RADIO_IS_ON + 1, &value), -EINVAL);
}

ZTEST(radio, test_other_notifications_are_nothing)
{
	notify("+CEREG: 5\r\n");
	notify("+CSCON: garbage\r\n");
	notify("%MDMEV: SEARCH STATUS 2\r\n");
	notify("%MDMEV: OVERHEATED\r\n");
	zassert_equal(radio(IOTHUB_BOARD_RADIO_IS_ON), 0);
	zassert_equal(told[IOTHUB_MODEM_FAULT] + told[IOTHUB_MODEM_CFUN], 0);
}

ZTEST(radio, test_a_mode_is_told_and_events_are_asked_for_anew)
{
	static const struct {
		int mode;
		const char *commands;
	} cases[] = {{1, "AT%MDMEV=1;"}, {21, "AT%MDMEV=1;"}, {0, ""}, {4, ""}};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		commands[0] = '\0';
		cfun(cases[i].mode);
		zassert_equal(told[IOTHUB_MODEM_CFUN], i + 1);
		zassert_equal(values[IOTHUB_MODEM_CFUN], cases[i].mode);
		zassert_str_equal(commands, cases[i].commands);
	}
	/* Firmware that does not know it: nothing happens. */
	at_result = -EPERM;
	cfun(1);
}

ZTEST(radio, test_a_fault_is_told_with_its_reason)
{
	struct nrf_modem_fault_info fault = {.reason = NRF_MODEM_FAULT_MEM_MANAGE, .program_counter = 7};

	nrf_modem_fault_handler(&fault);
	zassert_equal(told[IOTHUB_MODEM_FAULT], 1);
	zassert_equal(values[IOTHUB_MODEM_FAULT], NRF_MODEM_FAULT_MEM_MANAGE);
}

ZTEST(radio, test_the_address_family_of_the_build_is_set_when_the_modem_is_there)
{
	STRUCT_SECTION_FOREACH(nrf_modem_lib_init_cb, hook) {
		hook->callback(-1, hook->context);
		zassert_str_equal(commands, "");
		hook->callback(0, hook->context);
	}
	zassert_str_equal(commands, "AT+CGDCONT=0,\"IPV6\";");
}

ZTEST(radio, test_what_is_no_command_never_reaches_the_modem)
{
	static const char *const wrong[] = {"AT\r\nAT+CFUN=0", "AT\n", "AT\x7f", "AT\xc3\xa9"};
	static const char *const names[] = {"a\"b", "a b", "a\r"};
	char answer[32];

	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		zassert_equal(iothub_platform_at(wrong[i], answer, sizeof(answer)), -EINVAL, "%zu", i);
	}
	for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
		zassert_equal(iothub_platform_apn_set(names[i]), -EINVAL, "%zu", i);
	}
	zassert_str_equal(commands, "");
	zassert_ok(iothub_platform_at("AT%XMONITOR", answer, sizeof(answer)));
	zassert_ok(iothub_platform_apn_set("iot.1nce.net"));
	zassert_str_equal(commands, "AT%XMONITOR;AT+CGDCONT=0,\"IPV6\",\"iot.1nce.net\";");
	at_result = 65536;
	zassert_equal(iothub_platform_at("AT%NOSUCH", answer, sizeof(answer)), 65536, "the modem's error is the caller's");
}

ZTEST_SUITE(radio, NULL, NULL, before, NULL, NULL);
