/* SPDX-License-Identifier: Apache-2.0 */
/* What goes wrong, and what the application is told. */
#include <stdio.h>

#include "harness.h"

void c_refused_subscription(void);
void c_refused_connection(void);
void c_disconnect_while_connecting(void);
void c_lost_connection(void);
void c_unknown_host(void);
void c_connect_in_handler(void);
void c_oversize(void);
void c_silent_hub(void);
void c_other_device(void);

static void connected(void)
{
	const struct azure_iot_hub_config config = harness_config();

	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
}

void c_refused_subscription(void)
{
	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	connected();
	/* Not READY. */
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err, -EACCES);
	harness_expect_silence();
}

void c_refused_connection(void)
{
	const struct azure_iot_hub_config config = harness_config();

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_CONNECTION_FAILED).err, 5);
	/* One event for one cause: next comes the second attempt. */
	connected();
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}

void c_disconnect_while_connecting(void)
{
	const struct azure_iot_hub_config config = harness_config();
	const struct azure_iot_hub_msg msg = { .topic.type = AZURE_IOT_HUB_TOPIC_EVENT };
	struct azure_iot_hub_result result = { .status = 200 };

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	/* The hub says nothing. */
	CHECK_INT(azure_iot_hub_connect(&config), -EINPROGRESS);
	CHECK_INT(azure_iot_hub_init(harness_handler), -EALREADY);
	CHECK_INT(azure_iot_hub_send(&msg), -ENOTCONN);
	CHECK_INT(azure_iot_hub_method_respond(&result), -ENOTCONN);
	CHECK_INT(azure_iot_hub_disconnect(), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err, 0);
	/* And can be asked again. */
	connected();
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}

void c_lost_connection(void)
{
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = harness_buf("kept"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
		.message_id = 17,
	};

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	/* The hub reads it and goes away. */
	CHECK(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err < 0);
	CHECK_INT(azure_iot_hub_send(&msg), -ENOTCONN);
	CHECK_INT(azure_iot_hub_disconnect(), -ENOTCONN);
	harness_expect_silence();
	connected();
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 17);
	harness_leave();
}

void c_unknown_host(void)
{
	struct azure_iot_hub_config config = harness_config();

	config.hostname = harness_buf("no-such-hub.invalid");
	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), -EHOSTUNREACH);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect_silence();
	connected();
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}

static void reconnecting_handler(struct azure_iot_hub_evt *evt)
{
	const bool again = evt->type == AZURE_IOT_HUB_EVT_DISCONNECTED && evt->data.err != 0;

	harness_handler(evt);
	if (again) {
		const struct azure_iot_hub_config config = harness_config();

		CHECK_INT(azure_iot_hub_connect(&config), 0);
		CHECK_INT(azure_iot_hub_connect(&config), -EINPROGRESS);
	}
}

void c_connect_in_handler(void)
{
	harness_network();
	CHECK_INT(azure_iot_hub_init(reconnecting_handler), 0);
	connected();
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err < 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}

void c_oversize(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_expect(AZURE_IOT_HUB_EVT_ERROR_MSG_SIZE);
}

void c_silent_hub(void)
{
	const struct azure_iot_hub_config config = harness_config();

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	/* Nobody ends it but the library. */
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err, -ETIMEDOUT);
	CHECK_INT(azure_iot_hub_disconnect(), -ENOTCONN);
	harness_expect_silence();
}

void c_other_device(void)
{
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = harness_buf("of device-1"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
	};
	struct azure_iot_hub_config config = harness_config();

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err < 0);
	/* It was kept for a connection of device-1. */
	config.device_id = harness_buf("device-2");
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	/* One of the two is told on the thread here, the other on the driver's. */
	if (harness_next_is(AZURE_IOT_HUB_EVT_CONNECTING)) {
		harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
		CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_ERROR).err, -EIO);
	} else {
		CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_ERROR).err, -EIO);
		harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	}
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}
