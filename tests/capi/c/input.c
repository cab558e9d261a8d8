/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments that cannot be, and calls in every wrong state. */
#include <stdint.h>

#include <net/azure_iot_hub_dps.h>

#include "harness.h"

void c_bad_input(void);

static void on_status(enum azure_iot_hub_dps_reg_status status)
{
	CHECK_INT(status, AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED);
}

static void before_init(void)
{
	const struct azure_iot_hub_config config = harness_config();
	const struct azure_iot_hub_msg msg = { .topic.type = AZURE_IOT_HUB_TOPIC_EVENT };
	struct azure_iot_hub_result result = { .status = 200 };

	CHECK_INT(azure_iot_hub_connect(&config), -ENOENT);
	CHECK_INT(azure_iot_hub_connect(NULL), -ENOENT);
	CHECK_INT(azure_iot_hub_disconnect(), -ENOTCONN);
	CHECK_INT(azure_iot_hub_send(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_send(&msg), -ENOTCONN);
	CHECK_INT(azure_iot_hub_method_respond(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_method_respond(&result), -ENOTCONN);
	CHECK_INT(azure_iot_hub_init(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_connect(&config), -ENOENT);
}

static void names(void)
{
	static char long_name[200];
	struct azure_iot_hub_config config = harness_config();

	memset(long_name, 'a', sizeof(long_name));
	config.hostname.ptr = NULL;
	CHECK_INT(azure_iot_hub_connect(&config), -EINVAL);
	config = harness_config();
	config.hostname = (struct azure_iot_hub_buf){ .ptr = long_name, .size = 129 };
	CHECK_INT(azure_iot_hub_connect(&config), -EMSGSIZE);
	config = harness_config();
	config.device_id = (struct azure_iot_hub_buf){ .ptr = long_name, .size = SIZE_MAX };
	CHECK_INT(azure_iot_hub_connect(&config), -EMSGSIZE);
	config.device_id = harness_buf("not an id");
	CHECK_INT(azure_iot_hub_connect(&config), -EINVAL);
	config = harness_config();
	config.hostname = harness_buf("not a host");
	CHECK_INT(azure_iot_hub_connect(&config), -EINVAL);
	config.hostname = harness_buf("\xff\xfe");
	CHECK_INT(azure_iot_hub_connect(&config), -EINVAL);
}

static void dps(void)
{
	struct azure_iot_hub_dps_config config = { .handler = NULL };
	struct azure_iot_hub_buf buf = { .ptr = NULL };

	CHECK_INT(azure_iot_hub_dps_init(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_dps_init(&config), -EINVAL);
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
	CHECK_INT(azure_iot_hub_dps_hostname_get(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_dps_device_id_get(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_dps_hostname_get(&buf), -ENOENT);
	CHECK_INT(azure_iot_hub_dps_device_id_get(&buf), -ENOENT);
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	config.handler = on_status;
	config.id_scope = harness_buf("\xff");
	CHECK_INT(azure_iot_hub_dps_init(&config), -EINVAL);
	config.id_scope = harness_buf("0ne0012345600000000000000000000000");
	CHECK_INT(azure_iot_hub_dps_init(&config), -EMSGSIZE);
	config.id_scope = harness_buf("not a scope");
	config.reg_id = harness_buf("device-1");
	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	CHECK_INT(azure_iot_hub_dps_start(), -EINVAL);
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
}

static void messages(void)
{
	static char large[8192];
	struct azure_iot_hub_property property = { .key = harness_buf("k") };
	const struct azure_iot_hub_msg good = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = harness_buf("1"),
	};
	struct azure_iot_hub_msg msg = good;

	CHECK_INT(azure_iot_hub_send(NULL), -EINVAL);
	msg.payload = (struct azure_iot_hub_buf){ .ptr = NULL, .size = 1 };
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.payload = (struct azure_iot_hub_buf){ .ptr = large, .size = sizeof(large) };
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);
	msg.payload = (struct azure_iot_hub_buf){ .ptr = large, .size = (size_t)1 << 32 };
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);
	msg.payload.size = SIZE_MAX;
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);

	for (unsigned int type = 0; type <= 300; type++) {
		msg = good;
		memset(&msg.topic.type, 0, sizeof(msg.topic.type));
		memcpy(&msg.topic.type, &type, sizeof(msg.topic.type) < 2 ? 1 : 2);
		if (type < AZURE_IOT_HUB_TOPIC_EVENT || type > AZURE_IOT_HUB_TOPIC_TWIN_REQUEST) {
			CHECK_INT(azure_iot_hub_send(&msg), -ENOMSG);
		}
	}
	msg = good;
	msg.qos = MQTT_QOS_2_EXACTLY_ONCE;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	memset(&msg.qos, 0xff, sizeof(msg.qos));
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);

	msg = good;
	msg.topic.property_count = 1;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.topic.properties = &property;
	msg.topic.property_count = SIZE_MAX;
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);
	msg.topic.property_count = 1;
	property.key.size = 0;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	property.key = harness_buf("\xff");
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	property.key = harness_buf("%FF");
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	property.key = harness_buf("k");
	memset(large, 'v', sizeof(large));
	property.value = (struct azure_iot_hub_buf){ .ptr = large, .size = 1000 };
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);

	msg = good;
	msg.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED;
	msg.payload = harness_buf("[]");
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.payload = harness_buf("{}");
	msg.request_id = harness_buf("a-request-id-of-more-than-36-bytes-xx");
	CHECK_INT(azure_iot_hub_send(&msg), -EFAULT);
}

static void answers(void)
{
	static char large[8192];
	struct azure_iot_hub_result result = { .status = 200 };

	CHECK_INT(azure_iot_hub_method_respond(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
	result.request_id = (struct azure_iot_hub_buf){ .ptr = NULL, .size = 1 };
	CHECK_INT(azure_iot_hub_method_respond(&result), -EINVAL);
	result.request_id = (struct azure_iot_hub_buf){ .ptr = large, .size = 2000 };
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
	result.request_id = harness_buf("1");
	result.status = UINT32_MAX;
	CHECK_INT(azure_iot_hub_method_respond(&result), -EINVAL);
	result.status = 200;
	result.payload = (struct azure_iot_hub_buf){ .ptr = large, .size = SIZE_MAX };
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
}

void c_bad_input(void)
{
	before_init();
	dps();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	names();
	/* No state was lost. */
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	messages();
	answers();
	CHECK_INT(azure_iot_hub_init(NULL), -EALREADY);
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
	harness_leave();
}
