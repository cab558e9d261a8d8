/* SPDX-License-Identifier: Apache-2.0 */
/* What we use of Zephyr's MQTT interface, declared anew for builds without Zephyr. */
#ifndef IOTHUB_HOST_ZEPHYR_NET_MQTT_H
#define IOTHUB_HOST_ZEPHYR_NET_MQTT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mqtt_conn_return_code {
	MQTT_CONNECTION_ACCEPTED = 0,
	MQTT_UNACCEPTABLE_PROTOCOL_VERSION = 1,
	MQTT_IDENTIFIER_REJECTED = 2,
	MQTT_SERVER_UNAVAILABLE = 3,
	MQTT_BAD_USER_NAME_OR_PASSWORD = 4,
	MQTT_NOT_AUTHORIZED = 5,
};

enum mqtt_qos {
	MQTT_QOS_0_AT_MOST_ONCE = 0,
	MQTT_QOS_1_AT_LEAST_ONCE = 1,
	MQTT_QOS_2_EXACTLY_ONCE = 2,
};

enum mqtt_evt_type {
	MQTT_EVT_CONNACK,
	MQTT_EVT_DISCONNECT,
	MQTT_EVT_PUBLISH,
	MQTT_EVT_PUBACK,
	MQTT_EVT_PUBREC,
	MQTT_EVT_PUBREL,
	MQTT_EVT_PUBCOMP,
	MQTT_EVT_SUBACK,
	MQTT_EVT_UNSUBACK,
	MQTT_EVT_PINGRESP,
};

struct mqtt_utf8 {
	const uint8_t *utf8;
	uint32_t size;
};

struct mqtt_binstr {
	uint8_t *data;
	uint32_t len;
};

struct mqtt_topic {
	struct mqtt_utf8 topic;
	uint8_t qos;
};

struct mqtt_publish_message {
	struct mqtt_topic topic;
	struct mqtt_binstr payload;
};

struct mqtt_publish_param {
	struct mqtt_publish_message message;
	uint16_t message_id;
	uint8_t dup_flag : 1;
	uint8_t retain_flag : 1;
};

struct mqtt_suback_param {
	uint16_t message_id;
	struct mqtt_binstr return_codes;
};

struct mqtt_subscription_list {
	struct mqtt_topic *list;
	uint16_t list_count;
	uint16_t message_id;
};

/* Only the members that we read; the real union has one for each event. */
union mqtt_evt_param {
	struct mqtt_publish_param publish;
	struct mqtt_suback_param suback;
};

struct mqtt_evt {
	enum mqtt_evt_type type;
	union mqtt_evt_param param;
	int result;
};

struct mqtt_client;

#endif
