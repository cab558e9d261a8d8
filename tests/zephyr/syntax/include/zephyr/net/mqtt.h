/* SPDX-License-Identifier: Apache-2.0 */
/* What src/mqtt_link.c reaches into, beside what the host's declarations have. */
#include_next <zephyr/net/mqtt.h>

#ifndef SYNTAX_ZEPHYR_NET_MQTT_H
#define SYNTAX_ZEPHYR_NET_MQTT_H

enum mqtt_transport_type {
	MQTT_TRANSPORT_NON_SECURE,
	MQTT_TRANSPORT_SECURE,
};

struct mqtt_client {
	const void *broker;
	struct {
		enum mqtt_transport_type type;
		struct {
			int sock;
		} tcp;
		struct {
			int sock;
		} tls;
	} transport;
};

struct mqtt_puback_param {
	uint16_t message_id;
};

int mqtt_read_publish_payload_blocking(struct mqtt_client *client, void *buffer, size_t length);
int mqtt_publish_qos1_ack(struct mqtt_client *client, const struct mqtt_puback_param *ack);

#endif
