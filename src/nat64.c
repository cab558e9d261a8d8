/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asks the network's DNS for the AAAA records of ipv4only.arpa, which only a NAT64 gives it (RFC 7050). The lookup may take
 * tens of seconds: it has a thread of its own.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include "nat64.h"
#include "net_names.h"

LOG_MODULE_REGISTER(iothub_nat64, LOG_LEVEL_INF);

#define STACK_SIZE 2048
#define RECORDS 4

static K_SEM_DEFINE(asked, 0, 1);

void iothub_nat64_ask(void)
{
	k_sem_give(&asked);
}

static size_t look_up(uint8_t (*records)[16])
{
	const struct zsock_addrinfo hints = {.ai_family = NET_AF_INET6, .ai_socktype = NET_SOCK_STREAM};
	struct zsock_addrinfo *list = NULL;
	size_t count = 0;
	int err = zsock_getaddrinfo("ipv4only.arpa", NULL, &hints, &list);

	if (err != 0) {
		LOG_INF("the network's DNS names no NAT64: %d", err);
		return 0;
	}
	for (const struct zsock_addrinfo *at = list; at != NULL && count < RECORDS; at = at->ai_next) {
		if (at->ai_family == NET_AF_INET6) {
			memcpy(records[count++], &((const struct net_sockaddr_in6 *)at->ai_addr)->sin6_addr,
			       sizeof(records[0]));
		}
	}
	zsock_freeaddrinfo(list);
	return count;
}

static void run(void *unused1, void *unused2, void *unused3)
{
	uint8_t records[RECORDS][16];

	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	for (;;) {
		(void)k_sem_take(&asked, K_FOREVER);

		size_t count = look_up(records);

		if (count > 0) {
			iothub_nat64_tell(records, count);
		}
	}
}

K_THREAD_DEFINE(iothub_nat64, STACK_SIZE, run, NULL, NULL, NULL, K_PRIO_PREEMPT(CONFIG_IOTHUB_THREAD_PRIORITY), 0, 0);
