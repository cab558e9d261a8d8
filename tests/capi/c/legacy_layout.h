/* SPDX-License-Identifier: Apache-2.0 */
/* The table of layouts of the older form: every struct that crosses, its size and the offset of each member. */
#ifndef CAPI_TESTS_LEGACY_LAYOUT_H
#define CAPI_TESTS_LEGACY_LAYOUT_H

#include <stddef.h>

#include <net/azure_iot_hub.h>

#define LEGACY_LAYOUT_COUNT 37

static const char *const legacy_layout_names[LEGACY_LAYOUT_COUNT] = {
	"azure_iot_hub_prop_bag",
	"azure_iot_hub_prop_bag.key",
	"azure_iot_hub_prop_bag.value",
	"azure_iot_hub_topic_data",
	"azure_iot_hub_topic_data.type",
	"azure_iot_hub_topic_data.str",
	"azure_iot_hub_topic_data.len",
	"azure_iot_hub_topic_data.prop_bag",
	"azure_iot_hub_topic_data.prop_bag_count",
	"azure_iot_hub_data",
	"azure_iot_hub_data.topic",
	"azure_iot_hub_data.ptr",
	"azure_iot_hub_data.len",
	"azure_iot_hub_data.qos",
	"azure_iot_hub_data.message_id",
	"azure_iot_hub_data.dup_flag",
	"azure_iot_hub_data.retain_flag",
	"azure_iot_hub_method",
	"azure_iot_hub_method.name",
	"azure_iot_hub_method.rid",
	"azure_iot_hub_method.payload",
	"azure_iot_hub_method.payload_len",
	"azure_iot_hub_result",
	"azure_iot_hub_result.rid",
	"azure_iot_hub_result.status",
	"azure_iot_hub_result.payload",
	"azure_iot_hub_result.payload_len",
	"azure_iot_hub_evt",
	"azure_iot_hub_evt.type",
	"azure_iot_hub_evt.data",
	"azure_iot_hub_evt.topic",
	"azure_iot_hub_config",
	"azure_iot_hub_config.socket",
	"azure_iot_hub_config.device_id",
	"azure_iot_hub_config.device_id_len",
	"azure_iot_hub_evt_type",
	"azure_iot_hub_topic_type",
};

static const unsigned int legacy_layout[LEGACY_LAYOUT_COUNT] = {
	sizeof(struct azure_iot_hub_prop_bag),
	offsetof(struct azure_iot_hub_prop_bag, key),
	offsetof(struct azure_iot_hub_prop_bag, value),
	sizeof(struct azure_iot_hub_topic_data),
	offsetof(struct azure_iot_hub_topic_data, type),
	offsetof(struct azure_iot_hub_topic_data, str),
	offsetof(struct azure_iot_hub_topic_data, len),
	offsetof(struct azure_iot_hub_topic_data, prop_bag),
	offsetof(struct azure_iot_hub_topic_data, prop_bag_count),
	sizeof(struct azure_iot_hub_data),
	offsetof(struct azure_iot_hub_data, topic),
	offsetof(struct azure_iot_hub_data, ptr),
	offsetof(struct azure_iot_hub_data, len),
	offsetof(struct azure_iot_hub_data, qos),
	offsetof(struct azure_iot_hub_data, message_id),
	offsetof(struct azure_iot_hub_data, dup_flag),
	offsetof(struct azure_iot_hub_data, retain_flag),
	sizeof(struct azure_iot_hub_method),
	offsetof(struct azure_iot_hub_method, name),
	offsetof(struct azure_iot_hub_method, rid),
	offsetof(struct azure_iot_hub_method, payload),
	offsetof(struct azure_iot_hub_method, payload_len),
	sizeof(struct azure_iot_hub_result),
	offsetof(struct azure_iot_hub_result, rid),
	offsetof(struct azure_iot_hub_result, status),
	offsetof(struct azure_iot_hub_result, payload),
	offsetof(struct azure_iot_hub_result, payload_len),
	sizeof(struct azure_iot_hub_evt),
	offsetof(struct azure_iot_hub_evt, type),
	offsetof(struct azure_iot_hub_evt, data),
	offsetof(struct azure_iot_hub_evt, topic),
	sizeof(struct azure_iot_hub_config),
	offsetof(struct azure_iot_hub_config, socket),
	offsetof(struct azure_iot_hub_config, device_id),
	offsetof(struct azure_iot_hub_config, device_id_len),
	sizeof(enum azure_iot_hub_evt_type),
	sizeof(enum azure_iot_hub_topic_type),
};

#endif
