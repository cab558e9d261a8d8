/* SPDX-License-Identifier: Apache-2.0 */
/* Programs that set and send what the public users of the header do. tests/scripted.rs plays the hub. */
#include <stdio.h>

#include <net/azure_iot_hub_dps.h>

#include "harness.h"

void c_user_sample(void);
void c_user_literal_names(void);
void c_user_tracker(void);
void c_user_work_queue(void);

#define TEXT(literal) { .ptr = literal, .size = sizeof(literal) - 1 }

/* Nordic's sample, and what is made of it for an article: the device id comes from the hardware at run time, the host name is
 * configured, use_dps is set; telemetry without properties, a method, a report of what was desired.
 */
void c_user_sample(void)
{
	static char device_id[16];
	struct azure_iot_hub_config config = { .use_dps = true };
	char text[64];
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload.ptr = text,
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};
	struct azure_iot_hub_result result = {
		.status = 200,
		.payload = TEXT("{\"it\":\"worked\"}"),
	};
	struct seen seen;

	snprintf(device_id, sizeof(device_id), "%s", "device-1");
	config.device_id = harness_buf(device_id);
	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	msg.payload.size = (size_t)snprintf(text, sizeof(text),
					    "{\"temperature\":25.%d,\"timestamp\":%d}", 3, 1511);
	CHECK_INT(azure_iot_hub_send(&msg), 0);

	harness_expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	msg.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED;
	msg.payload.size = (size_t)snprintf(text, sizeof(text), "{\"telemetryInterval\":%d}", 60);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);

	seen = harness_expect(AZURE_IOT_HUB_EVT_DIRECT_METHOD);
	result.request_id = harness_buf(seen.request_id);
	CHECK_INT(azure_iot_hub_method_respond(&result), 0);
	harness_leave();
}

/* An application that names its hub and its device in the source, and sets use_dps as the documentation does. */
void c_user_literal_names(void)
{
	const struct azure_iot_hub_config config = {
		.device_id = TEXT("device-1"),
		.hostname = TEXT("my-hub.azure-devices.net"),
		.use_dps = true,
	};
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = TEXT("{\"ph\":7.2}"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
	};

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	harness_expect(AZURE_IOT_HUB_EVT_PUBACK);
	harness_leave();
}

static void tracker_sends(enum azure_iot_hub_topic_type type, struct azure_iot_hub_property *properties,
			  size_t count, const char *payload, uint16_t id)
{
	const struct azure_iot_hub_msg msg = {
		.payload = harness_buf(payload),
		.message_id = id,
		.qos = id != 0 ? MQTT_QOS_1_AT_LEAST_ONCE : MQTT_QOS_0_AT_MOST_ONCE,
		.topic.type = type,
		.topic.properties = properties,
		.topic.property_count = count,
	};

	CHECK_INT(azure_iot_hub_send(&msg), 0);
}

/* The integration of a tracker: a device id as long as its buffer says, DPS as it is in the build, an empty report where the twin
 * is wanted, properties that are percent-encoded already, one without a value, messages with ids of its own.
 */
void c_user_tracker(void)
{
	static char client_id[] = "device-1";
	static struct azure_iot_hub_property batch[] = {
		{ .key = TEXT("batch"), .value.ptr = NULL },
		{ .key = TEXT("%24.ct"), .value = TEXT("application%2Fjson") },
		{ .key = TEXT("%24.ce"), .value = TEXT("utf-8") },
	};
	static const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = { .ptr = client_id, .size = sizeof(client_id) - 1 },
	};
	struct seen seen;

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);

	tracker_sends(AZURE_IOT_HUB_TOPIC_TWIN_REPORTED, NULL, 0, "", 0);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	tracker_sends(AZURE_IOT_HUB_TOPIC_TWIN_REPORTED, NULL, 0, "{\"bat\":{\"v\":3700}}", 11);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 11);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	tracker_sends(AZURE_IOT_HUB_TOPIC_EVENT, batch, 3, "{\"bat\":[{\"v\":3700}]}", 12);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 12);
	tracker_sends(AZURE_IOT_HUB_TOPIC_EVENT, batch + 1, 2, "{\"btn\":{\"v\":1}}", 0);

	seen = harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);
	CHECK_TEXT(seen.properties, "agps=result;");
	CHECK_INT(seen.topic_type, AZURE_IOT_HUB_TOPIC_DEVICEBOUND);
	harness_leave();
}

static struct azure_iot_hub_buf assigned_hub;
static struct azure_iot_hub_buf assigned_id;

static void on_status(enum azure_iot_hub_dps_reg_status status)
{
	/* The library's own buffers, which the application keeps. */
	if (status == AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED) {
		CHECK_INT(azure_iot_hub_dps_hostname_get(&assigned_hub), 0);
		CHECK_INT(azure_iot_hub_dps_device_id_get(&assigned_id), 0);
	}
}

/* An application whose work queue connects, and connects again after each DISCONNECTED: it registers itself, with everything
 * configured, and gives the assigned names back.
 */
void c_user_work_queue(void)
{
	struct azure_iot_hub_dps_config dps = { .handler = on_status };
	struct azure_iot_hub_config config = { .use_dps = false };
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = TEXT("1"),
	};
	int err;

	harness_network();
	CHECK_INT(azure_iot_hub_dps_init(&dps), 0);
	err = azure_iot_hub_dps_start();
	/* Moved over: Nordic's library has registered the device before. */
	CHECK_INT(err, -EALREADY);
	on_status(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED);
	config.hostname = assigned_hub;
	config.device_id = assigned_id;
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	for (int i = 0; i < 3; i++) {
		harness_connects(&config);
		CHECK_INT(azure_iot_hub_send(&msg), 0);
		/* The hub leaves. */
		CHECK(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err != 0);
	}
}
