/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's azure_iot_hub.h: telemetry every minute, and the direct method `led`. LTE is the application's business. */
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <modem/lte_lc.h>
#include <net/azure_iot_hub.h>
#if defined(CONFIG_NRF_MODEM_LIB)
#include <modem/nrf_modem_lib.h>
#else
/* Of the simulated modem. */
int nrf_modem_lib_init(void);
#endif

LOG_MODULE_REGISTER(c_api, LOG_LEVEL_INF);

#define INTERVAL K_SECONDS(60)

static K_SEM_DEFINE(registered, 0, 1);
static K_SEM_DEFINE(ready, 0, 1);

static void answer(const struct azure_iot_hub_method *method)
{
	static char worked[] = "{\"it\":\"worked\"}";
	struct azure_iot_hub_result result = {.request_id = method->request_id, .status = 404};
	int err;

	if (method->name.size == strlen("led") && memcmp(method->name.ptr, "led", method->name.size) == 0) {
		result.status = 200;
		result.payload.ptr = worked;
		result.payload.size = strlen(worked);
	}
	err = azure_iot_hub_method_respond(&result);
	if (err != 0) {
		LOG_ERR("no answer to the method: %d", err);
	}
}

static void on_event(struct azure_iot_hub_evt *const event)
{
	switch (event->type) {
	case AZURE_IOT_HUB_EVT_READY:
		k_sem_give(&ready);
		break;
	case AZURE_IOT_HUB_EVT_DIRECT_METHOD:
		answer(&event->data.method);
		break;
	case AZURE_IOT_HUB_EVT_CONNECTION_FAILED:
	case AZURE_IOT_HUB_EVT_DISCONNECTED:
		LOG_WRN("not connected: %d", event->data.err);
		break;
	default:
		break;
	}
}

static void on_lte(const struct lte_lc_evt *const event)
{
	if (event->type == LTE_LC_EVT_NW_REG_STATUS &&
	    (event->nw_reg_status == LTE_LC_NW_REG_REGISTERED_HOME ||
	     event->nw_reg_status == LTE_LC_NW_REG_REGISTERED_ROAMING)) {
		k_sem_give(&registered);
	}
}

static int attach(void)
{
	int err = nrf_modem_lib_init();

	if (err == 0) {
		err = lte_lc_connect_async(on_lte);
	}
	if (err == 0) {
		(void)k_sem_take(&registered, K_FOREVER);
	}
	return err;
}

int main(void)
{
	static char text[] = "{\"hello\":\"world\"}";
	struct azure_iot_hub_config config = {0};
	struct azure_iot_hub_msg message = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload.ptr = text,
		.payload.size = sizeof(text) - 1,
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
	};
	int err = attach();

	if (err == 0) {
		err = azure_iot_hub_init(on_event);
	}
	if (err == 0) {
		err = azure_iot_hub_connect(&config);
	}
	if (err != 0) {
		LOG_ERR("no start: %d", err);
		return 0;
	}
	(void)k_sem_take(&ready, K_FOREVER);
	for (;;) {
		err = azure_iot_hub_send(&message);
		if (err != 0) {
			LOG_WRN("not sent: %d", err);
		}
		k_sleep(INTERVAL);
	}
}
