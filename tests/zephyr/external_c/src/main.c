/* SPDX-License-Identifier: Apache-2.0 */
/* An application for Nordic's azure_iot_hub.h: it knows nothing of iothub. Telemetry at an interval that the twin sets, the
 * method `led`, and provisioning where that is configured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <modem/lte_lc.h>
#include <net/azure_iot_hub.h>
#if defined(CONFIG_AZURE_IOT_HUB_DPS)
#include <net/azure_iot_hub_dps.h>
#endif
#if defined(CONFIG_NRF_MODEM_LIB)
#include <modem/nrf_modem_lib.h>
#else
/* Of the simulated modem. */
int nrf_modem_lib_init(void);
#endif

LOG_MODULE_REGISTER(external_c, LOG_LEVEL_INF);

static K_SEM_DEFINE(registered, 0, 1);
static K_SEM_DEFINE(ready, 0, 1);
static K_SEM_DEFINE(provisioned, 0, 1);

static void send_telemetry(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(telemetry, send_telemetry);
static atomic_t interval_s = ATOMIC_INIT(20);
static bool connected;

static void send_telemetry(struct k_work *work)
{
	char text[64];
	struct azure_iot_hub_property property = {
		.key.ptr = "kind",
		.key.size = strlen("kind"),
		.value.ptr = "climate",
		.value.size = strlen("climate"),
	};
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.topic.properties = &property,
		.topic.property_count = 1,
		.payload.ptr = text,
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};
	int err;

	ARG_UNUSED(work);
	if (!connected) {
		return;
	}
	msg.payload.size = snprintf(text, sizeof(text), "{\"temperature\":25.%d,\"timestamp\":%u}",
				    (int)(k_uptime_get_32() / 1000 % 10), k_uptime_get_32());
	err = azure_iot_hub_send(&msg);
	if (err != 0) {
		LOG_ERR("telemetry: %d", err);
	} else {
		LOG_INF("telemetry sent: %s", text);
	}
	(void)k_work_schedule(&telemetry, K_SECONDS(atomic_get(&interval_s)));
}

static void on_desired(const struct azure_iot_hub_buf *payload)
{
	static const char name[] = "\"telemetryInterval\":";
	char text[512];
	char report[48];
	size_t size = MIN(payload->size, sizeof(text) - 1);
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		.payload.ptr = report,
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};
	const char *found;
	int err;

	memcpy(text, payload->ptr, size);
	text[size] = '\0';
	found = strstr(text, name);
	if (found == NULL || atoi(found + strlen(name)) <= 0) {
		return;
	}
	atomic_set(&interval_s, atoi(found + strlen(name)));
	LOG_INF("telemetry every %d s", (int)atomic_get(&interval_s));
	msg.payload.size = snprintf(report, sizeof(report), "{\"telemetryInterval\":%d}",
				    (int)atomic_get(&interval_s));
	err = azure_iot_hub_send(&msg);
	if (err != 0) {
		LOG_ERR("report: %d", err);
	}
	(void)k_work_reschedule(&telemetry, K_NO_WAIT);
}

static void on_method(const struct azure_iot_hub_method *method)
{
	static char worked[] = "{\"it\":\"worked\"}";
	struct azure_iot_hub_result result = {
		.request_id = method->request_id,
		.status = 404,
	};
	int err;

	LOG_INF("method %.*s(%.*s)", (int)method->name.size, method->name.ptr,
		(int)method->payload.size, method->payload.ptr);
	if (method->name.size == 3 && memcmp(method->name.ptr, "led", 3) == 0) {
		result.status = 200;
		result.payload.ptr = worked;
		result.payload.size = strlen(worked);
	}
	err = azure_iot_hub_method_respond(&result);
	if (err != 0) {
		LOG_ERR("answer: %d", err);
	}
}

static void on_event(struct azure_iot_hub_evt *const evt)
{
	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_CONNECTING:
		LOG_INF("connecting");
		break;
	case AZURE_IOT_HUB_EVT_CONNECTED:
		LOG_INF("connected");
		break;
	case AZURE_IOT_HUB_EVT_CONNECTION_FAILED:
		LOG_ERR("refused: %d", evt->data.err);
		break;
	case AZURE_IOT_HUB_EVT_READY:
		LOG_INF("ready");
		connected = true;
		k_sem_give(&ready);
		break;
	case AZURE_IOT_HUB_EVT_DISCONNECTED:
		LOG_WRN("disconnected: %d", evt->data.err);
		connected = false;
		break;
	case AZURE_IOT_HUB_EVT_DATA_RECEIVED:
		LOG_INF("message of %u bytes with %u properties",
			(unsigned int)evt->data.msg.payload.size,
			(unsigned int)evt->topic.property_count);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED:
		on_desired(&evt->data.msg.payload);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS:
		LOG_INF("report accepted: %u", evt->data.result.status);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL:
		LOG_ERR("report refused: %u", evt->data.result.status);
		break;
	case AZURE_IOT_HUB_EVT_DIRECT_METHOD:
		on_method(&evt->data.method);
		break;
	default:
		LOG_INF("event %d", evt->type);
		break;
	}
}

static void on_lte(const struct lte_lc_evt *const evt)
{
	if (evt->type == LTE_LC_EVT_NW_REG_STATUS &&
	    (evt->nw_reg_status == LTE_LC_NW_REG_REGISTERED_HOME ||
	     evt->nw_reg_status == LTE_LC_NW_REG_REGISTERED_ROAMING)) {
		k_sem_give(&registered);
	}
}

#if defined(CONFIG_AZURE_IOT_HUB_DPS)
static void on_dps(enum azure_iot_hub_dps_reg_status status)
{
	LOG_INF("provisioning: %d", status);
	if (status == AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED ||
	    status == AZURE_IOT_HUB_DPS_REG_STATUS_FAILED) {
		k_sem_give(&provisioned);
	}
}

static int provision(struct azure_iot_hub_config *config)
{
	struct azure_iot_hub_dps_config dps = { .handler = on_dps };
	int err = azure_iot_hub_dps_init(&dps);

	if (err != 0) {
		return err;
	}
	err = azure_iot_hub_dps_start();
	if (err == 0) {
		(void)k_sem_take(&provisioned, K_FOREVER);
	} else if (err != -EALREADY) {
		return err;
	}
	err = azure_iot_hub_dps_hostname_get(&config->hostname);
	if (err == 0) {
		err = azure_iot_hub_dps_device_id_get(&config->device_id);
	}
	if (err == 0) {
		LOG_INF("assigned to %.*s", (int)config->hostname.size, config->hostname.ptr);
	}
	return err;
}
#endif

int main(void)
{
	struct azure_iot_hub_config config = { 0 };
	int err = nrf_modem_lib_init();

	if (err == 0) {
		err = lte_lc_connect_async(on_lte);
	}
	if (err != 0) {
		LOG_ERR("modem: %d", err);
		return 0;
	}
	(void)k_sem_take(&registered, K_FOREVER);
#if defined(CONFIG_AZURE_IOT_HUB_DPS)
	err = provision(&config);
	if (err != 0) {
		LOG_ERR("provisioning: %d", err);
		return 0;
	}
#endif
	err = azure_iot_hub_init(on_event);
	if (err == 0) {
		err = azure_iot_hub_connect(&config);
	}
	if (err != 0) {
		LOG_ERR("connect: %d", err);
		return 0;
	}
	(void)k_sem_take(&ready, K_FOREVER);
	(void)k_work_schedule(&telemetry, K_NO_WAIT);
	return 0;
}
