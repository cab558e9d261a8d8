/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rust/ncs-sys/host-include declares anew what iothub uses of the SDK, for builds without it. Here the SDK's own
 * headers meet the same declarations once more: a prototype or a number that is another one fails the build.
 * Change both together.
 */
#include <zephyr/kernel.h>
#include <net/mqtt_helper.h>

#include "../rust/ncs-sys/modem.h"

int mqtt_helper_init(struct mqtt_helper_cfg *cfg);
int mqtt_helper_connect(struct mqtt_helper_conn_params *params);
int mqtt_helper_disconnect(void);
int mqtt_helper_subscribe(struct mqtt_subscription_list *list);
int mqtt_helper_publish(const struct mqtt_publish_param *param);
int mqtt_helper_deinit(void);

int lte_lc_connect_async(lte_lc_evt_handler_t handler);
int lte_lc_power_off(void);

BUILD_ASSERT(MQTT_CONNECTION_ACCEPTED == 0);
BUILD_ASSERT(MQTT_NOT_AUTHORIZED == 5);
BUILD_ASSERT(MQTT_QOS_0_AT_MOST_ONCE == 0);
BUILD_ASSERT(MQTT_QOS_1_AT_LEAST_ONCE == 1);
BUILD_ASSERT(MQTT_EVT_CONNACK == 0);
BUILD_ASSERT(MQTT_EVT_PUBLISH == 2);
BUILD_ASSERT(MQTT_EVT_SUBACK == 7);
BUILD_ASSERT(MQTT_EVT_PINGRESP == 9);
BUILD_ASSERT(MQTT_HELPER_ERROR_MSG_SIZE == 0);

BUILD_ASSERT(LTE_LC_NW_REG_NOT_REGISTERED == 0);
BUILD_ASSERT(LTE_LC_NW_REG_REGISTERED_HOME == 1);
BUILD_ASSERT(LTE_LC_NW_REG_SEARCHING == 2);
BUILD_ASSERT(LTE_LC_NW_REG_REGISTRATION_DENIED == 3);
BUILD_ASSERT(LTE_LC_NW_REG_UNKNOWN == 4);
BUILD_ASSERT(LTE_LC_NW_REG_REGISTERED_ROAMING == 5);
BUILD_ASSERT(LTE_LC_NW_REG_UICC_FAIL == 90);

int modem_attest_token_get(struct nrf_attestation_token *const token);
int modem_jwt_generate(struct jwt_data *const jwt);
int modem_jwt_get_uuids(struct nrf_device_uuid *dev, struct nrf_modem_fw_uuid *mfw);

BUILD_ASSERT(JWT_KEY_TYPE_CLIENT_PRIV == 2);
BUILD_ASSERT(JWT_KEY_TYPE_ENDORSEMENT == 8);
BUILD_ASSERT(JWT_ALG_TYPE_ES256 == 0);
BUILD_ASSERT(sizeof(struct nrf_device_uuid) == 37);
BUILD_ASSERT(sizeof(struct nrf_modem_fw_uuid) == 37);

#if defined(CONFIG_IOTHUB_SIM_MODEM) || defined(CONFIG_LTE_LC_NETWORK_REGISTRATION_MODULE)
BUILD_ASSERT(LTE_LC_EVT_NW_REG_STATUS == 0);
#endif

#if defined(IOTHUB_PDN_LIBRARY)
int pdn_default_ctx_cb_reg(pdn_event_handler_t cb);

BUILD_ASSERT(PDN_EVENT_CNEC_ESM == 0);
BUILD_ASSERT(PDN_EVENT_ACTIVATED == 1);
BUILD_ASSERT(PDN_EVENT_DEACTIVATED == 2);
BUILD_ASSERT(PDN_EVENT_IPV6_UP == 3);
BUILD_ASSERT(PDN_EVENT_IPV6_DOWN == 4);
BUILD_ASSERT(PDN_EVENT_NETWORK_DETACH == 5);
#elif defined(CONFIG_LTE_LC_PDN_MODULE)
int lte_lc_pdn_default_ctx_events_enable(void);

BUILD_ASSERT(LTE_LC_EVT_PDN == 14);
#endif

#if defined(CONFIG_NRF_MODEM_LIB)
int nrf_modem_lib_init(void);
int nrf_modem_lib_shutdown(void);
int modem_key_mgmt_write(nrf_sec_tag_t sec_tag, enum modem_key_mgmt_cred_type cred_type,
			 const void *buf, size_t len);
int modem_key_mgmt_delete(nrf_sec_tag_t sec_tag, enum modem_key_mgmt_cred_type cred_type);
int modem_key_mgmt_read(nrf_sec_tag_t sec_tag, enum modem_key_mgmt_cred_type cred_type, void *buf,
			size_t *len);
int modem_key_mgmt_exists(nrf_sec_tag_t sec_tag, enum modem_key_mgmt_cred_type cred_type,
			  bool *exists);

BUILD_ASSERT(sizeof(nrf_sec_tag_t) == sizeof(uint32_t));
BUILD_ASSERT(MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN == 0);
BUILD_ASSERT(MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT == 1);
BUILD_ASSERT(MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT == 2);
#endif
