/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names in a simulation. The SDK's download libraries ask for a name without saying for which kind of socket: the modem and
 * Zephyr's resolver take that; the sockets that Zephyr 4.1 hands to the host (NSOS) answer EAI_SYSTEM. And the network of
 * QEMU has no server that knows the emulator's name: --hub-address= answers for it.
 */
#include <iothub_sim_modem.h>

#include "net_names.h"

int __real_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res);
int __wrap_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res);

int __wrap_zsock_getaddrinfo(const char *host, const char *service,
			     const struct zsock_addrinfo *hints, struct zsock_addrinfo **res)
{
	const char *address = iothub_sim_option_hub_address();
	struct zsock_addrinfo stream;

	if (hints != NULL && hints->ai_socktype == 0) {
		stream = *hints;
		stream.ai_socktype = NET_SOCK_STREAM;
		hints = &stream;
	}
	return __real_zsock_getaddrinfo(address != NULL ? address : host, service, hints, res);
}
