/* SPDX-License-Identifier: Apache-2.0 */
/* What programs written for Nordic's library rely on. tests/scripted.rs plays the hub. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#include <net/azure_iot_hub_dps.h>

#include "clock.h"
#include "harness.h"

void c_dps_not_in_use(void);
void c_nordic_assignment(void);
void c_nordic_assignment_before_2_3(void);
void c_dps_configured(void);
void c_burst(void);
void c_full(void);
void c_batches(void);
void c_connecting_with_a_lock(void);
void c_connect_in_disconnected(void);
void c_many_requests(void);
void c_empty_report(void);
void c_nordic_cases(void);
void c_dps_malformed(void);

/* As Nordic's sample and documentation have it: the flag is set whatever the configuration says. */
void c_dps_not_in_use(void)
{
	struct azure_iot_hub_config config = harness_config();

	config.use_dps = true;
	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	harness_leave();
	/* No host name is given, and one is configured. */
	config.hostname = (struct azure_iot_hub_buf){ .ptr = NULL };
	harness_connects(&config);
	harness_leave();
}

void c_nordic_assignment(void)
{
	const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = harness_buf("registration-1"),
	};
	struct azure_iot_hub_buf buf;

	harness_network();
	CHECK_INT(azure_iot_hub_dps_hostname_get(&buf), 0);
	CHECK_TEXT(buf.ptr, "my-hub.azure-devices.net");
	CHECK_INT(azure_iot_hub_dps_device_id_get(&buf), 0);
	CHECK_TEXT(buf.ptr, "device-1");
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	harness_leave();
	/* It does not come back. */
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	CHECK_INT(azure_iot_hub_dps_hostname_get(&buf), -ENOENT);
	CHECK_INT(azure_iot_hub_dps_device_id_get(&buf), -ENOENT);
}

/* The device id is the registration's, which the application gives as it did before. */
void c_nordic_assignment_before_2_3(void)
{
	const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = harness_buf("device-1"),
	};
	struct azure_iot_hub_buf buf;

	harness_network();
	CHECK_INT(azure_iot_hub_dps_hostname_get(&buf), 0);
	CHECK_TEXT(buf.ptr, "my-hub.azure-devices.net");
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	harness_leave();
}

static atomic_int assigned;

static void on_status(enum azure_iot_hub_dps_reg_status status)
{
	CHECK(status != AZURE_IOT_HUB_DPS_REG_STATUS_FAILED);
	atomic_store(&assigned, status == AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED);
}

/* Members that are NULL are the configured ones, whatever stands in their sizes. */
void c_dps_configured(void)
{
	struct azure_iot_hub_dps_config config = {
		.handler = on_status,
		.id_scope = { .ptr = NULL, .size = 4 },
		.reg_id = { .ptr = NULL, .size = 4 },
	};

	harness_network();
	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	harness_until(&assigned, 1, "the assignment");
}

static struct azure_iot_hub_msg telemetry(char *text, size_t size)
{
	return (struct azure_iot_hub_msg){
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = { .ptr = text, .size = size },
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};
}

void c_burst(void)
{
	char text[100];
	const struct azure_iot_hub_msg msg = telemetry(text, sizeof(text));

	memset(text, 'x', sizeof(text));
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	for (int i = 0; i < 300; i++) {
		CHECK_INT(azure_iot_hub_send(&msg), 0);
	}
	harness_leave();
}

static int in_handler;

static void full_handler(struct azure_iot_hub_evt *evt)
{
	if (evt->type == AZURE_IOT_HUB_EVT_DATA_RECEIVED) {
		char text[100] = { 0 };
		struct azure_iot_hub_msg msg = telemetry(text, sizeof(text));

		/* On this thread room would come to be: it does not wait. */
		msg.qos = MQTT_QOS_1_AT_LEAST_ONCE;
		for (int i = 0; i < 300 && in_handler == 0; i++) {
			in_handler = azure_iot_hub_send(&msg);
		}
	}
	harness_handler(evt);
}

/* The hub acknowledges nothing: the wait has an end. */
void c_full(void)
{
	const struct azure_iot_hub_config config = harness_config();
	char text[100] = { 0 };
	const struct azure_iot_hub_msg msg = telemetry(text, sizeof(text));
	int result;

	harness_network();
	CHECK_INT(azure_iot_hub_init(full_handler), 0);
	harness_connects(&config);
	harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);
	CHECK_INT(in_handler, -ENOMEM);
	clock_hurry(true);
	result = azure_iot_hub_send(&msg);
	clock_hurry(false);
	/* Whichever is first: the end of the wait, or of the connection that does not acknowledge. */
	CHECK(result == -ENOMEM || result == -ENOTCONN);
}

/* One message of CAPI_BATCH_BYTES (900 if it does not say), as an application sends that collects readings. */
void c_batches(void)
{
	static char text[16384];
	const char *bytes = getenv("CAPI_BATCH_BYTES");
	const size_t size = bytes != NULL ? (size_t)atoi(bytes) : 900;
	struct azure_iot_hub_msg msg = telemetry(text, size);

	CHECK(size <= sizeof(text));
	memset(text, 'x', sizeof(text));
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	for (int i = 0; i < 10; i++) {
		CHECK_INT(azure_iot_hub_send(&msg), 0);
	}
	msg.qos = MQTT_QOS_1_AT_LEAST_ONCE;
	msg.message_id = 7;
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 7);
	harness_leave();
}

static pthread_mutex_t lock;

static void locking_handler(struct azure_iot_hub_evt *evt)
{
	CHECK_INT(pthread_mutex_lock(&lock), 0);
	harness_handler(evt);
	CHECK_INT(pthread_mutex_unlock(&lock), 0);
}

/* The caller holds a recursive lock that the handler takes, as an application's module does around all that it has. */
void c_connecting_with_a_lock(void)
{
	const struct azure_iot_hub_config config = harness_config();
	pthread_mutexattr_t recursive;

	CHECK_INT(pthread_mutexattr_init(&recursive), 0);
	CHECK_INT(pthread_mutexattr_settype(&recursive, PTHREAD_MUTEX_RECURSIVE), 0);
	CHECK_INT(pthread_mutex_init(&lock, &recursive), 0);
	harness_network();
	CHECK_INT(azure_iot_hub_init(locking_handler), 0);
	for (int i = 0; i < 2; i++) {
		CHECK_INT(pthread_mutex_lock(&lock), 0);
		CHECK_INT(azure_iot_hub_connect(&config), 0);
		/* On this thread, so it was told before the call returned. */
		harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
		CHECK_INT(pthread_mutex_unlock(&lock), 0);
		harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
		harness_expect(AZURE_IOT_HUB_EVT_READY);
		harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
		if (i == 0) {
			/* The connection before still has to be told of, which waits for the lock. */
			CHECK_INT(pthread_mutex_lock(&lock), 0);
			CHECK_INT(azure_iot_hub_disconnect(), 0);
			clock_hurry(true);
			CHECK_INT(azure_iot_hub_connect(&config), 0);
			clock_hurry(false);
			harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
			CHECK_INT(pthread_mutex_unlock(&lock), 0);
			harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED);
			harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
			harness_expect(AZURE_IOT_HUB_EVT_READY);
			harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
			harness_leave();
		}
	}
	harness_leave();
}

static int again = 1;

static void again_handler(struct azure_iot_hub_evt *evt)
{
	const struct azure_iot_hub_config config = harness_config();

	if (evt->type == AZURE_IOT_HUB_EVT_DISCONNECTED && again == 1) {
		again = azure_iot_hub_connect(&config);
		clock_hold(false);
	}
	harness_handler(evt);
}

/* The connection ends before the thread in azure_iot_hub_connect() has seen that it was there, and is made again inside. */
void c_connect_in_disconnected(void)
{
	const struct azure_iot_hub_config config = harness_config();

	harness_network();
	CHECK_INT(azure_iot_hub_init(again_handler), 0);
	clock_hold(true);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	CHECK_INT(again, 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	/* Inside DISCONNECTED, so before its copy here. */
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_leave();
}

/* More requests with ids of the application's own than the library keeps. */
void c_many_requests(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	for (int i = 0; i < 30; i++) {
		char id[16];
		struct azure_iot_hub_msg msg = {
			.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
			.payload = harness_buf("{\"a\":1}"),
		};

		snprintf(id, sizeof(id), "mine-%d", i);
		msg.request_id = harness_buf(id);
		CHECK_INT(azure_iot_hub_send(&msg), 0);
	}
	for (int i = 0; i < 30; i++) {
		char id[16];

		snprintf(id, sizeof(id), "mine-%d", i);
		CHECK_TEXT(harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS).request_id, id);
	}
	harness_leave();
}

void c_empty_report(void)
{
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		.payload = harness_buf(""),
	};

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS).status, 204);
	msg.payload = harness_buf(" ");
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	harness_leave();
}

#define LONG_KEY "very_much_a_quite_long_message_property_key"
#define LONG_VALUE "and_this_is_a_fairly_long_message_property_value"

/* What Nordic's unit tests send. */
void c_nordic_cases(void)
{
	struct azure_iot_hub_property properties[6] = {
		{ .key = harness_buf("property_key_1"), .value = harness_buf("property_value_1") },
		{ .key = harness_buf("property_key_2"), .value = harness_buf("property_value_2") },
	};
	char text[] = "This is a test message";
	const struct azure_iot_hub_msg twin = {
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
		.request_id = harness_buf("6549877"),
	};
	struct azure_iot_hub_msg msg = telemetry(text, strlen(text));
	struct seen seen;

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(azure_iot_hub_send(&twin), 0);
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_TEXT(seen.request_id, "6549877");
	msg.topic.properties = properties;
	for (msg.topic.property_count = 1; msg.topic.property_count <= 2; msg.topic.property_count++) {
		CHECK_INT(azure_iot_hub_send(&msg), 0);
	}
	for (size_t i = 0; i < 6; i++) {
		properties[i].key = harness_buf(LONG_KEY);
		properties[i].value = harness_buf(LONG_VALUE);
	}
	msg.topic.property_count = 6;
	CHECK_INT(azure_iot_hub_send(&msg), 0);

	msg = twin;
	msg.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED;
	msg.payload = harness_buf("{ \"doorLockState\": \"unlocked\"}");
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	CHECK_TEXT(seen.request_id, "6549877");
	harness_leave();
}

static void note_status(enum azure_iot_hub_dps_reg_status status)
{
	/* One more than the status: 0 stands for none. */
	atomic_store(&assigned, (int)status + 1);
}

/* DPS answers with what is no JSON, and then on a topic that is none of its own, before it assigns. */
void c_dps_malformed(void)
{
	struct azure_iot_hub_dps_config config = {
		.handler = note_status,
		.id_scope = harness_buf("0ne00000001"),
		.reg_id = harness_buf("device-1"),
	};

	harness_network();
	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	harness_until(&assigned, AZURE_IOT_HUB_DPS_REG_STATUS_FAILED + 1, "FAILED");
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	harness_until(&assigned, AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED + 1, "ASSIGNED");
}
