/* SPDX-License-Identifier: Apache-2.0 */
/* src/modem.c: what of a user's text reaches the modem in an AT command, and in which address family. */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <iothub_platform.h>

static char sent[256];

void log_line(const char *format, ...)
{
	(void)format;
}

int nrf_modem_at_printf(const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sent, sizeof(sent), format, arguments);
	va_end(arguments);
	return 0;
}

int nrf_modem_at_cmd(void *answer, size_t len, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	(void)vsnprintf(sent, sizeof(sent), format, arguments);
	va_end(arguments);
	(void)snprintf(answer, len, "OK\r\n");
	return 0;
}

static void takes(const char *apn, const char *command)
{
	sent[0] = '\0';
	assert(iothub_platform_apn_set(apn) == 0);
	assert(strcmp(sent, command) == 0);
}

static void refuses(const char *apn)
{
	sent[0] = '\0';
	assert(iothub_platform_apn_set(apn) == -EINVAL);
	assert(sent[0] == '\0');
}

int main(void)
{
	char answer[16];
	char longest[102];

	takes("iot.example", "AT+CGDCONT=0,\"" FAMILY_UNDER_TEST "\",\"iot.example\"");
	takes("M2M_1-a.mnc001.mcc262.gprs", "AT+CGDCONT=0,\"" FAMILY_UNDER_TEST "\",\"M2M_1-a.mnc001.mcc262.gprs\"");
	takes("", "AT+CGDCONT=0,\"" FAMILY_UNDER_TEST "\"");

	refuses("iot\"");
	refuses("iot\",\"10.0.0.1");
	refuses("iot\r");
	refuses("iot\nAT+CFUN=0");
	refuses("iot example");
	refuses("iot%s");
	refuses("iot;x");
	refuses("iot\xc3\xbc");
	memset(longest, 'a', sizeof(longest));
	longest[101] = '\0';
	refuses(longest);
	longest[100] = '\0';
	assert(iothub_platform_apn_set(longest) == 0);

	sent[0] = '\0';
	assert(iothub_platform_at("AT+CGMR", answer, sizeof(answer)) == 0 && strcmp(sent, "AT+CGMR") == 0);
	assert(iothub_platform_at("AT%CMNG=1,10,0", answer, sizeof(answer)) == 0 && strcmp(sent, "AT%CMNG=1,10,0") == 0);
	sent[0] = '\0';
	assert(iothub_platform_at("AT\rAT+CFUN=0", answer, sizeof(answer)) == -EINVAL);
	assert(iothub_platform_at("AT\nAT+CFUN=0", answer, sizeof(answer)) == -EINVAL);
	assert(iothub_platform_at("AT\x1a", answer, sizeof(answer)) == -EINVAL);
	assert(sent[0] == '\0');
	return 0;
}
