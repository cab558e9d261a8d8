/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Sizes and offsets of what crosses between C and Rust, and the numbers of errno, as this compiler and these options
 * see them. rust/ncs/src/abi.rs has the same table as Rust sees them.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

#include <net/mqtt_helper.h>

#include <iothub_platform.h>

#include "../rust/ncs-sys/modem.h"

#define SIZE(of) {#of, sizeof(of)}
#define AT(of, member) {#of "." #member, offsetof(of, member)}
#define NUMBER(name) {#name, name}

static const struct iothub_abi_entry table[] = {
	SIZE(struct mqtt_helper_buf),
	AT(struct mqtt_helper_buf, size),
	SIZE(struct mqtt_helper_cfg),
	AT(struct mqtt_helper_cfg, cb.on_connack),
	AT(struct mqtt_helper_cfg, cb.on_publish),
	AT(struct mqtt_helper_cfg, cb.on_error),
	SIZE(struct mqtt_helper_conn_params),
	AT(struct mqtt_helper_conn_params, user_name),
	SIZE(struct mqtt_topic),
	AT(struct mqtt_topic, qos),
	SIZE(struct mqtt_subscription_list),
	AT(struct mqtt_subscription_list, message_id),
	SIZE(struct mqtt_publish_param),
	AT(struct mqtt_publish_param, message.payload),
	AT(struct mqtt_publish_param, message_id),
	SIZE(struct mqtt_suback_param),
	AT(struct mqtt_suback_param, return_codes),
	SIZE(struct mqtt_evt),
	AT(struct mqtt_evt, param),
	AT(struct mqtt_evt, result),
	SIZE(enum mqtt_conn_return_code),
	AT(struct lte_lc_evt, nw_reg_status),
	SIZE(enum lte_lc_nw_reg_status),
	SIZE(struct iothub_fota_source),
	AT(struct iothub_fota_source, sha256),
	AT(struct iothub_fota_source, identity),
	AT(struct iothub_fota_source, tls),
	SIZE(struct iothub_fota_image),
	SIZE(struct jwt_data),
	AT(struct jwt_data, exp_delta_s),
	AT(struct jwt_data, jwt_sz),
	SIZE(struct nrf_attestation_token),
	AT(struct nrf_attestation_token, cose_sz),
	NUMBER(ENOENT),
	NUMBER(EALREADY),
	NUMBER(ENOTSUP),
	NUMBER(ETIMEDOUT),
	NUMBER(ECONNREFUSED),
	NUMBER(EOPNOTSUPP),
};

const struct iothub_abi_entry *iothub_abi_entry(unsigned int index)
{
	return index < sizeof(table) / sizeof(table[0]) ? &table[index] : NULL;
}
