/* SPDX-License-Identifier: Apache-2.0 */
/* src/mqtt_link.c against a scripted mqtt_helper: out of any state, and no connect before its thread is idle. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/socket.h>
#include <zephyr/ztest.h>

#include <net/mqtt_helper.h>

#include <iothub_platform.h>

#include "fakes.h"

extern struct k_sem fake_closed;

static K_SEM_DEFINE(connection, 0, 1);
static atomic_t in_loop;
static struct sockaddr_in broker = {.sin_family = AF_INET, .sin_addr = {{{192, 0, 2, 1}}}};
static struct sockaddr_in6 broker_v6 = {.sin6_family = AF_INET6};

static void helper(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	while (true) {
		(void)k_sem_take(&connection, K_FOREVER);
		atomic_set(&in_loop, 1);
		(void)k_sem_take(&fake_closed, K_FOREVER);
		atomic_set(&in_loop, 0);
		if (!fakes.leaves_without_abort) {
			(void)mqtt_abort(&fake_client);
			k_sem_reset(&fake_closed);
		}
	}
}

K_THREAD_DEFINE(mqtt_helper_thread, 1024, helper, NULL, NULL, NULL, K_LOWEST_APPLICATION_THREAD_PRIO, 0, 0);

int mqtt_helper_connect(struct mqtt_helper_conn_params *params)
{
	int err;

	ARG_UNUSED(params);
	fake_client.broker = fakes.family == AF_INET6 ? (struct sockaddr *)&broker_v6 : (struct sockaddr *)&broker;
	err = mqtt_connect(&fake_client);
	if (err == 0) {
		k_sem_give(&connection);
		while (!atomic_get(&in_loop)) {
			k_msleep(1);
		}
	}
	return err;
}

void fake_peer_closes(void)
{
	k_sem_give(&fake_closed);
}

static void wait_until_idle(void)
{
	const int64_t deadline = k_uptime_get() + 60000;

	while (mqtt_helper_thread->base.pended_on != &connection.wait_q) {
		zassert_true(k_uptime_get() < deadline, "the helper's thread does not wait for the next connection");
		k_msleep(1);
	}
}

void fakes_reset(void)
{
	memset(&fakes, 0, sizeof(fakes));
	fakes.has_shutdown = true;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	fakes_reset();
	zassert_false(atomic_get(&in_loop));
}

ZTEST(mqtt_link, test_a_without_a_connection_there_is_nothing_to_abort)
{
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_equal(fakes.shutdowns + fakes.aborts, 0);
}

ZTEST(mqtt_link, test_shutdown_lets_the_helper_tidy_up)
{
	zassert_ok(fake_helper_connect());
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_false(atomic_get(&in_loop));
	zassert_equal(fakes.shutdowns, 1);
	zassert_equal(fakes.aborts, 1, "the helper's own");
}

ZTEST(mqtt_link, test_a_stack_without_shutdown_is_closed_under_the_thread)
{
	fakes.has_shutdown = false;
	zassert_ok(fake_helper_connect());
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_false(atomic_get(&in_loop));
	zassert_equal(fakes.aborts, 2, "ours and the helper's own");
}

ZTEST(mqtt_link, test_after_the_peer_has_closed_abort_does_nothing)
{
	zassert_ok(fake_helper_connect());
	fake_peer_closes();
	wait_until_idle();
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_equal(fakes.shutdowns, 0);
}

ZTEST(mqtt_link, test_a_helper_that_left_without_abort_is_idle_too)
{
	fakes.leaves_without_abort = true;
	zassert_ok(fake_helper_connect());
	fake_peer_closes();
	wait_until_idle();
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_equal(fakes.shutdowns, 0);
}

ZTEST(mqtt_link, test_a_connect_that_failed_leaves_nothing_to_abort)
{
	fakes.connect_result = -ECONNREFUSED;
	zassert_equal(fake_helper_connect(), -ECONNREFUSED);
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_equal(fakes.shutdowns + fakes.aborts, 0);
}

ZTEST(mqtt_link, test_a_helper_that_never_leaves_is_said_to_be_busy)
{
	fakes.has_shutdown = false;
	fakes.deaf = true;
	zassert_ok(fake_helper_connect());
	zassert_equal(iothub_platform_mqtt_abort(), -ETIMEDOUT);
	fake_peer_closes();
	wait_until_idle();
	zassert_ok(iothub_platform_mqtt_abort());
}

/* Another library of the image, with a client of its own, connected and ended while ours is connected. */
ZTEST(mqtt_link, test_another_client_of_the_image_is_not_ours)
{
	static struct mqtt_client other;
	uint8_t address[16];

	other.broker = (struct sockaddr *)&broker_v6;
	zassert_ok(fake_helper_connect());
	zassert_ok(mqtt_connect(&other));
	zassert_equal_ptr(fakes.connected, &other, "it goes through");
	zassert_equal(iothub_platform_mqtt_peer(address), 4, "ours is where it was");
	zassert_ok(mqtt_abort(&other));
	zassert_true(atomic_get(&in_loop), "and goes on");

	fakes.has_shutdown = false;
	zassert_ok(iothub_platform_mqtt_abort());
	zassert_equal_ptr(fakes.aborted, &fake_client, "what we abort is ours");
	zassert_false(atomic_get(&in_loop));
}

ZTEST(mqtt_link, test_remembers_where_it_went)
{
	static const uint8_t expected[] = {192, 0, 2, 1};
	uint8_t address[16];

	zassert_ok(fake_helper_connect());
	zassert_equal(iothub_platform_mqtt_peer(address), 4);
	zassert_mem_equal(address, expected, sizeof(expected));
	zassert_ok(iothub_platform_mqtt_abort());
}

static struct mqtt_evt publish(uint32_t length, uint8_t qos)
{
	struct mqtt_evt event = {.type = MQTT_EVT_PUBLISH};

	event.param.publish.message.payload.len = length;
	event.param.publish.message.topic.qos = qos;
	event.param.publish.message_id = 7;
	fakes.unread = length;
	return event;
}

ZTEST(mqtt_link, test_release_tells_the_modem_of_the_connection_that_nothing_is_on_its_way)
{
	zassert_ok(fake_helper_connect());
	zassert_ok(iothub_platform_mqtt_release());
	zassert_equal(fakes.option_level, SOL_SOCKET);
	zassert_equal(fakes.option_name, SO_RAI);
	zassert_equal(fakes.option_value, RAI_NO_DATA);
	fakes.option_errno = EDESTADDRREQ;
	zassert_equal(iothub_platform_mqtt_release(), -EDESTADDRREQ);
	zassert_ok(iothub_platform_mqtt_abort());
}

ZTEST(mqtt_link, test_discards_what_is_larger_than_the_buffer_and_acknowledges_it)
{
	struct mqtt_evt fits = publish(16, MQTT_QOS_1_AT_LEAST_ONCE);

	zassert_equal(iothub_platform_mqtt_discard(&fake_client, &fits), 0);
	zassert_equal(fakes.unread, 16);

	struct mqtt_evt larger = publish(1000, MQTT_QOS_1_AT_LEAST_ONCE);

	zassert_equal(iothub_platform_mqtt_discard(&fake_client, &larger), 1);
	zassert_equal(fakes.unread, 0);
	zassert_equal(fakes.acks, 1);

	struct mqtt_evt unacknowledged = publish(1000, MQTT_QOS_0_AT_MOST_ONCE);

	zassert_equal(iothub_platform_mqtt_discard(&fake_client, &unacknowledged), 1);
	zassert_equal(fakes.acks, 1);
}

ZTEST_SUITE(mqtt_link, NULL, NULL, before, NULL, NULL);
