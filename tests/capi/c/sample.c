/* SPDX-License-Identifier: Apache-2.0 */
/* An application as one writes it for Nordic's library: DPS, telemetry at an interval that the twin sets, the method `led`.
 * The method `stop` ends it. tests/emulated.rs plays the service.
 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <net/azure_iot_hub_dps.h>

#include "harness.h"

void c_sample(void);

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool registered;
static bool ready;
static bool stopped;
static int interval_s = 20;
static int led;

static void dps_handler(enum azure_iot_hub_dps_reg_status status)
{
	CHECK(status != AZURE_IOT_HUB_DPS_REG_STATUS_FAILED);
	pthread_mutex_lock(&mutex);
	registered = status == AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

/* What a JSON library would do: the number behind "telemetryInterval". */
static int interval_in(const struct azure_iot_hub_buf *payload)
{
	char text[512];
	const size_t size = payload->size < sizeof(text) - 1 ? payload->size : sizeof(text) - 1;
	const char *found;

	memcpy(text, payload->ptr, size);
	text[size] = 0;
	found = strstr(text, "\"telemetryInterval\":");
	return found != NULL ? atoi(found + strlen("\"telemetryInterval\":")) : 0;
}

static void report_interval(int interval)
{
	char text[48];
	const struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		.payload.ptr = text,
		.payload.size = (size_t)snprintf(text, sizeof(text),
						 "{\"telemetryInterval\":%d}", interval),
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};

	CHECK_INT(azure_iot_hub_send(&msg), 0);
}

static void on_desired(const struct azure_iot_hub_buf *payload)
{
	const int interval = interval_in(payload);

	if (interval <= 0) {
		return;
	}
	report_interval(interval);
	pthread_mutex_lock(&mutex);
	interval_s = interval;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void on_method(const struct azure_iot_hub_method *method)
{
	struct azure_iot_hub_result result = {
		.request_id = method->request_id,
		.status = 404,
		.payload = harness_buf("{\"it\":\"is unknown\"}"),
	};
	const bool is_led = method->name.size == 3 && memcmp(method->name.ptr, "led", 3) == 0;
	const bool is_stop = method->name.size == 4 && memcmp(method->name.ptr, "stop", 4) == 0;

	if (is_led || is_stop) {
		result.status = 200;
		result.payload = harness_buf("{\"it\":\"worked\"}");
	}
	CHECK_INT(azure_iot_hub_method_respond(&result), 0);
	pthread_mutex_lock(&mutex);
	if (is_led) {
		led = method->payload.size > 0 && method->payload.ptr[0] == '1';
	}
	stopped = stopped || is_stop;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void handler(struct azure_iot_hub_evt *evt)
{
	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_READY:
		pthread_mutex_lock(&mutex);
		ready = true;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
		break;
	case AZURE_IOT_HUB_EVT_DISCONNECTED:
		pthread_mutex_lock(&mutex);
		ready = false;
		pthread_cond_broadcast(&changed);
		pthread_mutex_unlock(&mutex);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED:
		on_desired(&evt->data.msg.payload);
		break;
	case AZURE_IOT_HUB_EVT_DIRECT_METHOD:
		on_method(&evt->data.method);
		break;
	default:
		break;
	}
}

static void send_telemetry(void)
{
	char text[96];
	struct azure_iot_hub_property property = {
		.key = harness_buf("kind"),
		.value = harness_buf("climate & more"),
	};
	const struct azure_iot_hub_msg msg = {
		.topic = {
			.type = AZURE_IOT_HUB_TOPIC_EVENT,
			.properties = &property,
			.property_count = 1,
		},
		.payload.ptr = text,
		.payload.size = (size_t)snprintf(text, sizeof(text),
						 "{\"temperature\":25.1,\"interval\":%d,\"led\":%d}",
						 interval_s, led),
		.qos = MQTT_QOS_0_AT_MOST_ONCE,
	};

	CHECK_INT(azure_iot_hub_send(&msg), 0);
}

static void wait_for(const bool *flag, bool value)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 25;
	pthread_mutex_lock(&mutex);
	while (*flag != value) {
		CHECK_INT(pthread_cond_timedwait(&changed, &mutex, &until), 0);
	}
	pthread_mutex_unlock(&mutex);
}

static void run_dps(struct azure_iot_hub_buf *hostname, struct azure_iot_hub_buf *device_id)
{
	struct azure_iot_hub_dps_config config = {
		.handler = dps_handler,
		.id_scope = harness_buf("0ne00000001"),
		.reg_id = harness_buf("device-1"),
	};

	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	wait_for(&registered, true);
	CHECK_INT(azure_iot_hub_dps_hostname_get(hostname), 0);
	CHECK_INT(azure_iot_hub_dps_device_id_get(device_id), 0);
}

void c_sample(void)
{
	struct azure_iot_hub_config config = { .use_dps = false };

	harness_network();
	run_dps(&config.hostname, &config.device_id);
	CHECK_INT(azure_iot_hub_init(handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	wait_for(&ready, true);

	pthread_mutex_lock(&mutex);
	while (!stopped) {
		struct timespec until;
		const int interval = interval_s;
		const int was = led;

		pthread_mutex_unlock(&mutex);
		send_telemetry();
		pthread_mutex_lock(&mutex);
		clock_gettime(CLOCK_REALTIME, &until);
		until.tv_sec += interval;
		while (!stopped && interval_s == interval && led == was &&
		       pthread_cond_timedwait(&changed, &mutex, &until) == 0) {
		}
	}
	pthread_mutex_unlock(&mutex);
	CHECK_INT(azure_iot_hub_disconnect(), 0);
	wait_for(&ready, false);
}
