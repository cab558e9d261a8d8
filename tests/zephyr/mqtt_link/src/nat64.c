/* SPDX-License-Identifier: Apache-2.0 */
/* src/nat64.c against a scripted DNS: what is asked when, on which thread, and what is told. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>

#include "fakes.h"
#include "nat64.h"

#define TIMEOUT K_SECONDS(60)
#define PREFIX 0x20, 0x01, 0x0d, 0xb8, 0, 0x64, 0, 0, 0, 0, 0, 0

static K_SEM_DEFINE(dns_asked, 0, 10);
static K_SEM_DEFINE(dns_answers, 0, 10);
static K_SEM_DEFINE(told, 0, 10);
static struct sockaddr_in6 addresses[6];
static struct zsock_addrinfo answer[6];
static size_t answer_count;
static int dns_error;
static char question[32];
static struct zsock_addrinfo question_hints;
static char asked_on[CONFIG_THREAD_MAX_NAME_LEN];
static const struct zsock_addrinfo *freed;
static uint8_t told_records[6][16];
static size_t told_count;

int zsock_getaddrinfo(const char *host, const char *service, const struct zsock_addrinfo *hints,
		      struct zsock_addrinfo **res)
{
	ARG_UNUSED(service);
	strncpy(question, host, sizeof(question) - 1);
	question_hints = *hints;
	(void)k_thread_name_copy(k_current_get(), asked_on, sizeof(asked_on));
	k_sem_give(&dns_asked);
	(void)k_sem_take(&dns_answers, K_FOREVER);
	if (dns_error != 0) {
		return dns_error;
	}
	for (size_t i = 0; i < answer_count; i++) {
		answer[i].ai_addr = (struct sockaddr *)&addresses[i];
		answer[i].ai_next = i + 1 < answer_count ? &answer[i + 1] : NULL;
	}
	*res = answer;
	return 0;
}

void zsock_freeaddrinfo(struct zsock_addrinfo *list)
{
	freed = list;
}

void iothub_nat64_tell(const uint8_t (*records)[16], size_t count)
{
	memcpy(told_records, records, count * sizeof(records[0]));
	told_count = count;
	k_sem_give(&told);
}

static void answers(size_t count)
{
	const uint8_t prefix[] = {PREFIX, 192, 0, 0, 170};

	answer_count = count;
	for (size_t i = 0; i < count; i++) {
		answer[i].ai_family = AF_INET6;
		addresses[i].sin6_family = AF_INET6;
		memcpy(&addresses[i].sin6_addr, prefix, sizeof(prefix));
		addresses[i].sin6_addr.s6_addr[15] += i;
	}
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	fakes_reset();
	dns_error = 0;
	freed = NULL;
	told_count = 0;
	k_sem_reset(&told);
	answers(2);
}

static void connect_over(sa_family_t family)
{
	/* It need not get through. */
	fakes.connect_result = -ECONNREFUSED;
	fakes.family = family;
	zassert_equal(fake_helper_connect(), -ECONNREFUSED);
}

ZTEST(nat64, test_a_connection_over_ipv6_asks_and_tells_every_record)
{
	connect_over(AF_INET6);
	zassert_ok(k_sem_take(&dns_asked, TIMEOUT));
	zassert_str_equal(question, "ipv4only.arpa");
	zassert_equal(question_hints.ai_family, AF_INET6);
	k_sem_give(&dns_answers);
	zassert_ok(k_sem_take(&told, TIMEOUT));
	zassert_equal(told_count, 2);
	for (size_t i = 0; i < told_count; i++) {
		const uint8_t expected[] = {PREFIX, 192, 0, 0, 170 + i};

		zassert_mem_equal(told_records[i], expected, sizeof(expected));
	}
	zassert_equal_ptr(freed, answer);
}

ZTEST(nat64, test_the_connect_does_not_wait_for_the_answer_which_comes_on_a_thread_of_its_own)
{
	connect_over(AF_INET6);
	zassert_equal(told_count, 0);
	zassert_ok(k_sem_take(&dns_asked, TIMEOUT));
	zassert_str_equal(asked_on, "iothub_nat64");
	k_sem_give(&dns_answers);
	zassert_ok(k_sem_take(&told, TIMEOUT));
}

ZTEST(nat64, test_ipv4_does_not_ask)
{
	connect_over(AF_INET);
	zassert_equal(k_sem_take(&dns_asked, K_MSEC(100)), -EAGAIN);
}

ZTEST(nat64, test_a_dns_that_fails_tells_nothing_and_is_asked_again)
{
	dns_error = -2;
	connect_over(AF_INET6);
	zassert_ok(k_sem_take(&dns_asked, TIMEOUT));
	k_sem_give(&dns_answers);
	connect_over(AF_INET6);
	zassert_ok(k_sem_take(&dns_asked, TIMEOUT));
	zassert_equal(told_count, 0);
	zassert_is_null(freed);
	dns_error = 0;
	k_sem_give(&dns_answers);
	zassert_ok(k_sem_take(&told, TIMEOUT));
}

ZTEST(nat64, test_more_records_than_there_is_room_for_and_another_family_are_left_out)
{
	answers(6);
	answer[0].ai_family = AF_INET;
	connect_over(AF_INET6);
	zassert_ok(k_sem_take(&dns_asked, TIMEOUT));
	k_sem_give(&dns_answers);
	zassert_ok(k_sem_take(&told, TIMEOUT));
	zassert_equal(told_count, 4);
	zassert_equal(told_records[0][15], 171);
}

ZTEST_SUITE(nat64, NULL, NULL, before, NULL, NULL);
