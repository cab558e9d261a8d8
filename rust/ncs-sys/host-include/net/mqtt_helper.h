/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Nordic's mqtt_helper, NCS 2.8 to 3.0, as far as we use it, declared anew for builds
 * without the SDK. Behaviour: rust/host/src/mqtt_helper.rs.
 */
#ifndef IOTHUB_HOST_NET_MQTT_HELPER_H
#define IOTHUB_HOST_NET_MQTT_HELPER_H

#include <zephyr/net/mqtt.h>

enum mqtt_helper_error {
	MQTT_HELPER_ERROR_MSG_SIZE,
};

struct mqtt_helper_buf {
	char *ptr;
	size_t size;
};

typedef bool (*mqtt_helper_on_all_events_t)(struct mqtt_client *const client,
					    const struct mqtt_evt *const event);
typedef void (*mqtt_helper_on_connack_t)(enum mqtt_conn_return_code code, bool session_present);
typedef void (*mqtt_helper_on_disconnect_t)(int result);
typedef void (*mqtt_helper_on_publish_t)(struct mqtt_helper_buf topic,
					 struct mqtt_helper_buf payload);
typedef void (*mqtt_helper_on_puback_t)(uint16_t message_id, int result);
typedef void (*mqtt_helper_on_suback_t)(uint16_t message_id, int result);
typedef void (*mqtt_helper_on_pingresp_t)(void);
typedef void (*mqtt_helper_on_error_t)(enum mqtt_helper_error error);

struct mqtt_helper_cfg {
	struct {
		mqtt_helper_on_all_events_t on_all_events;
		mqtt_helper_on_connack_t on_connack;
		mqtt_helper_on_disconnect_t on_disconnect;
		mqtt_helper_on_publish_t on_publish;
		mqtt_helper_on_puback_t on_puback;
		mqtt_helper_on_suback_t on_suback;
		mqtt_helper_on_pingresp_t on_pingresp;
		mqtt_helper_on_error_t on_error;
	} cb;
};

/* ptr of hostname must end in a 0 byte. */
struct mqtt_helper_conn_params {
	struct mqtt_helper_buf hostname;
	struct mqtt_helper_buf device_id;
	struct mqtt_helper_buf user_name;
	struct mqtt_helper_buf password;
};

int mqtt_helper_init(struct mqtt_helper_cfg *cfg);
int mqtt_helper_connect(struct mqtt_helper_conn_params *params);
int mqtt_helper_disconnect(void);
int mqtt_helper_subscribe(struct mqtt_subscription_list *list);
int mqtt_helper_publish(const struct mqtt_publish_param *param);
int mqtt_helper_deinit(void);

#endif
