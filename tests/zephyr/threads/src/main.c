/* SPDX-License-Identifier: Apache-2.0 */
/*
 * On which thread the SDK's mqtt_helper calls back: the table in docs/zephyr.md and in rust/ncs, on which it rests what a
 * callback of ours may do. The real mqtt_helper, Zephyr's MQTT and its TCP over the loopback interface, against a broker
 * that this test plays byte by byte.
 */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket.h>
#include <zephyr/ztest.h>

#include <net/mqtt_helper.h>

#include <iothub_platform.h>

#define LONGEST K_SECONDS(10)
#define HELPER "mqtt_helper_thread"

enum callback { CONNACK, DISCONNECT, PUBLISH, PUBACK, SUBACK, PINGRESP, CALLBACKS };

static char threads[CALLBACKS][CONFIG_THREAD_MAX_NAME_LEN];
static K_SEM_DEFINE(called, 0, CALLBACKS);
static int server = -1;
static int connection = -1;

static void note(enum callback callback)
{
	(void)k_thread_name_copy(k_current_get(), threads[callback], sizeof(threads[callback]));
	k_sem_give(&called);
}

static void on_connack(enum mqtt_conn_return_code code, bool session_present)
{
	zassert_equal(code, MQTT_CONNECTION_ACCEPTED);
	ARG_UNUSED(session_present);
	note(CONNACK);
}

static void on_disconnect(int result)
{
	ARG_UNUSED(result);
	note(DISCONNECT);
}

static void on_publish(struct mqtt_helper_buf topic, struct mqtt_helper_buf payload)
{
	zassert_equal(topic.size, 1);
	zassert_equal(payload.size, 2);
	note(PUBLISH);
}

static void on_puback(uint16_t message_id, int result)
{
	zassert_equal(message_id, 7);
	ARG_UNUSED(result);
	note(PUBACK);
}

static void on_suback(uint16_t message_id, int result)
{
	zassert_equal(message_id, 5);
	ARG_UNUSED(result);
	note(SUBACK);
}

static void on_pingresp(void)
{
	note(PINGRESP);
}

static void expect_on(enum callback callback, const char *thread)
{
	zassert_ok(k_sem_take(&called, LONGEST));
	zassert_str_equal(threads[callback], thread);
}

/* Reads one packet whose length fits into a byte; its first byte. */
static uint8_t broker_reads(void)
{
	uint8_t packet[2 + 127];
	size_t have = 0;

	while (have < 2 || have < 2 + (size_t)packet[1]) {
		size_t want = have < 2 ? 2 - have : 2 + packet[1] - have;
		ssize_t got = zsock_recv(connection, packet + have, want, 0);

		zassert_true(got > 0, "%d", errno);
		have += got;
	}
	return packet[0];
}

static void broker_says(const void *bytes, size_t length)
{
	zassert_equal(zsock_send(connection, bytes, length, 0), length);
}

#define SAYS(...) broker_says((const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void *start(void)
{
	struct mqtt_helper_cfg config = {.cb = {
						 .on_connack = on_connack,
						 .on_disconnect = on_disconnect,
						 .on_publish = on_publish,
						 .on_puback = on_puback,
						 .on_suback = on_suback,
						 .on_pingresp = on_pingresp,
					 }};
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons(CONFIG_MQTT_HELPER_PORT),
		.sin_addr = {{{127, 0, 0, 1}}},
	};

	server = zsock_socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
	zassert_true(server >= 0);
	zassert_ok(zsock_bind(server, (struct sockaddr *)&address, sizeof(address)));
	zassert_ok(zsock_listen(server, 1));
	zassert_ok(mqtt_helper_init(&config));
	return NULL;
}

static void connected(void *unused)
{
	struct mqtt_helper_conn_params params = {
		.hostname = {.ptr = "127.0.0.1", .size = 9},
		.device_id = {.ptr = "d", .size = 1},
		.user_name = {.ptr = "u", .size = 1},
	};

	ARG_UNUSED(unused);
	memset(threads, 0, sizeof(threads));
	k_sem_reset(&called);
	zassert_ok(mqtt_helper_connect(&params));
	connection = zsock_accept(server, NULL, NULL);
	zassert_true(connection >= 0);
	zassert_equal(broker_reads(), 0x10);
	SAYS(0x20, 2, 0, 0);
	expect_on(CONNACK, HELPER);
}

static void broker_closes(void)
{
	if (connection >= 0) {
		(void)zsock_close(connection);
		connection = -1;
	}
}

static void after(void *unused)
{
	ARG_UNUSED(unused);
	broker_closes();
	zassert_ok(iothub_platform_mqtt_abort());
}

ZTEST(threads, test_what_the_hub_says_comes_on_the_helpers_thread)
{
	struct mqtt_topic topic = {.topic = {.utf8 = "t", .size = 1}, .qos = MQTT_QOS_1_AT_LEAST_ONCE};
	struct mqtt_subscription_list list = {.list = &topic, .list_count = 1, .message_id = 5};
	struct mqtt_publish_param message = {
		.message = {.topic = topic, .payload = {.data = "x", .len = 1}},
		.message_id = 7,
	};

	zassert_ok(mqtt_helper_subscribe(&list));
	zassert_equal(broker_reads(), 0x82);
	SAYS(0x90, 3, 0, 5, 1);
	expect_on(SUBACK, HELPER);

	zassert_ok(mqtt_helper_publish(&message));
	zassert_equal(broker_reads(), 0x32);
	SAYS(0x40, 2, 0, 7);
	expect_on(PUBACK, HELPER);

	SAYS(0x30, 5, 0, 1, 't', 'h', 'i');
	expect_on(PUBLISH, HELPER);

	SAYS(0xd0, 0);
	expect_on(PINGRESP, HELPER);

	broker_closes();
	expect_on(DISCONNECT, HELPER);
}

ZTEST(threads, test_a_disconnect_that_we_ask_for_is_told_on_our_thread)
{
	char mine[CONFIG_THREAD_MAX_NAME_LEN];

	(void)k_thread_name_copy(k_current_get(), mine, sizeof(mine));
	zassert_ok(mqtt_helper_disconnect());
	zassert_ok(k_sem_take(&called, K_NO_WAIT), "not before the call returned");
	zassert_str_equal(threads[DISCONNECT], mine);
	zassert_not_equal(strcmp(mine, HELPER), 0);
}

ZTEST_SUITE(threads, NULL, start, connected, after, NULL);
