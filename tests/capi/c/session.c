/* SPDX-License-Identifier: Apache-2.0 */
/* A session with every function and every event. tests/scripted.rs plays the hub. */
#include "harness.h"

void c_fota_refused(void);
void c_session(void);
void c_names_are_copied(void);
void c_unique_request_ids(void);
void c_unknown_topic(void);
void c_ping(void);

static struct azure_iot_hub_msg report(const char *payload)
{
	return (struct azure_iot_hub_msg){
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		.payload = harness_buf(payload),
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};
}

static void sends_telemetry(void)
{
	struct azure_iot_hub_property properties[] = {
		/* As Nordic's library wants it, and as one would write it. */
		{ .key = harness_buf("%24.ct"), .value = harness_buf("application%2Fjson") },
		{ .key = harness_buf("a b"), .value = harness_buf("50%&c") },
		{ .key = harness_buf("empty") },
	};
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.topic.properties = properties,
		.topic.property_count = 3,
		.payload = harness_buf("{\"temperature\":25.1}"),
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};

	CHECK_INT(azure_iot_hub_send(&msg), 0);
	msg.topic.property_count = 0;
	msg.qos = MQTT_QOS_1_AT_LEAST_ONCE;
	msg.message_id = 4711;
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 4711);
	msg.message_id = 0;
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id != 0);
}

static void reports(void)
{
	struct azure_iot_hub_msg msg = report("{\"on\":true}");
	struct seen seen;

	CHECK_INT(azure_iot_hub_send(&msg), 0);
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	CHECK_INT(seen.status, 204);
	CHECK(seen.request_id[0] != 0);
	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_TWIN_REQUEST_RESULT);

	msg.request_id = harness_buf("my-own-id");
	msg.qos = MQTT_QOS_1_AT_LEAST_ONCE;
	msg.message_id = 99;
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 99);
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL);
	CHECK_INT(seen.status, 400);
	CHECK_TEXT(seen.request_id, "my-own-id");
	CHECK_TEXT(seen.payload, "{\"error\":1}");
}

static void gets_the_twin(void)
{
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REQUEST,
		.request_id = harness_buf("get-1"),
	};
	struct seen seen;

	CHECK_INT(azure_iot_hub_send(&msg), 0);
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_TEXT(seen.request_id, "get-1");
	CHECK_TEXT(seen.payload, "{\"desired\":{\"$version\":1},\"reported\":{}}");
}

static void receives(void)
{
	struct seen seen = harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);
	struct azure_iot_hub_result result = { .status = 200 };

	CHECK_TEXT(seen.payload, "hello");
	CHECK_TEXT(seen.properties, "$.mid=a b;key=;flag=;");
	CHECK_INT((long)seen.property_count, 3);
	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_DEVICEBOUND);
	CHECK_TEXT(seen.topic, "devices/device-1/messages/devicebound/%24.mid=a%20b&key=&flag");

	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	CHECK_TEXT(seen.payload, "{\"telemetryInterval\":5,\"$version\":2}");
	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_TWIN_DESIRED);

	seen = harness_expect(AZURE_IOT_HUB_EVT_DIRECT_METHOD);
	CHECK_TEXT(seen.name, "led");
	CHECK_TEXT(seen.request_id, "4f");
	CHECK_TEXT(seen.payload, "1");
	result.request_id = harness_buf(seen.request_id);
	result.payload = harness_buf("{\"it\":\"worked\"}");
	CHECK_INT(azure_iot_hub_method_respond(&result), 0);
	/* It is answered. */
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
}

void c_session(void)
{
	const struct azure_iot_hub_config config = harness_config();
	struct seen seen;

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	CHECK(harness_expect(AZURE_IOT_HUB_EVT_CONNECTED).persistent_session);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	CHECK_INT(azure_iot_hub_connect(&config), -EALREADY);
	CHECK_INT(azure_iot_hub_init(harness_handler), -EALREADY);
	CHECK_INT(azure_iot_hub_init(NULL), -EALREADY);

	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_TWIN_REQUEST_RESULT);
	sends_telemetry();
	reports();
	gets_the_twin();
	receives();
	harness_leave();
	CHECK_INT(azure_iot_hub_disconnect(), -ENOTCONN);
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
}

void c_names_are_copied(void)
{
	char hostname[] = "my-hub.azure-devices.net.and.more";
	char device_id[] = "device-1-and-more";
	struct azure_iot_hub_config config = {
		.hostname = { .ptr = hostname, .size = strlen("my-hub.azure-devices.net") },
		.device_id = { .ptr = device_id, .size = strlen("device-1") },
	};
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = harness_buf("1"),
	};

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	memset(hostname, 'x', sizeof(hostname));
	memset(device_id, 'x', sizeof(device_id));
	memset(&config, 0, sizeof(config));
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);
	harness_leave();
}

void c_unique_request_ids(void)
{
	const struct azure_iot_hub_msg msg = report("{}");
	char ids[3][ROOM];

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	for (size_t i = 0; i < 3; i++) {
		CHECK_INT(azure_iot_hub_send(&msg), 0);
	}
	for (size_t i = 0; i < 3; i++) {
		const struct seen seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);

		memcpy(ids[i], seen.request_id, ROOM);
		for (size_t j = 0; j < i; j++) {
			CHECK(strcmp(ids[i], ids[j]) != 0);
		}
	}
	harness_leave();
}

void c_unknown_topic(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	const struct seen seen = harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);

	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_UNKNOWN);
	CHECK_TEXT(seen.topic, "something/else");
	CHECK_TEXT(seen.payload, "?");
	harness_leave();
}

void c_ping(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_expect(AZURE_IOT_HUB_EVT_PINGRESP);
	CHECK_INT(azure_iot_hub_disconnect(), 0);
}

void c_fota_refused(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	/* The request is the application's to see as well. */
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_START);
	harness_expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	harness_leave();
}
