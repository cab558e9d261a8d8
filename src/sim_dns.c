/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The SDK's download libraries ask for a name without saying for which kind of socket. The modem and Zephyr's resolver
 * take that; the sockets that Zephyr 4.1 hands to the host (NSOS) answer EAI_SYSTEM.
 */
#include <zephyr/net/socket.h>

int __real_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res);
int __wrap_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res);

int __wrap_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res)
{
	struct zsock_addrinfo stream;

	if (hints != NULL && hints->ai_socktype == 0) {
		stream = *hints;
		stream.ai_socktype = SOCK_STREAM;
		hints = &stream;
	}
	return __real_zsock_getaddrinfo(host, service, hints, res);
}
