/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK's download gets scheme, host and port as one text, with an IPv6 address in brackets. Run by `check`. */
#include "sdk.h"

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	(void)event;
	(void)first;
	(void)second;
}

static int fetched(const char *host, bool tls, uint16_t port, const char *expected)
{
	struct iothub_fota_source source = {.host = host, .path = "a.bin", .identity = 1, .tls = tls, .port = port};
	struct download_client_evt closed = {.id = DOWNLOAD_CLIENT_EVT_CLOSED};
	int err = iothub_platform_fota_start(&source, tell);

	if (err != 0 || strcmp(fetched_from, expected) != 0) {
		printf("%s: error %d, fetched from %s\n", expected, err, fetched_from != NULL ? fetched_from : "nowhere");
		return 1;
	}
	(void)fetch(&closed);
	return 0;
}

int main(void)
{
	char longest[253 + 1] = {0}, whole[sizeof("https://:65535") + 253];

	memset(longest, 'f', 253);
	snprintf(whole, sizeof(whole), "https://%s:65535", longest);
	if (fetched("fw.example", true, 0, "https://fw.example:443") != 0 ||
	    fetched("10.0.0.7", false, 0, "http://10.0.0.7:80") != 0 ||
	    fetched("2001:db8::1", true, 8443, "https://[2001:db8::1]:8443") != 0 ||
	    fetched(longest, true, 65535, whole) != 0) {
		return 1;
	}
	puts("a host is fetched from with its scheme, its brackets and its port");
	return 0;
}
