/* SPDX-License-Identifier: Apache-2.0 */
/* Programs for the older form of the header. tests/legacy.rs plays the service. */
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <net/azure_iot_hub.h>

#include "network.h"
#include "slot.h"

void c_legacy_session(void);
void c_legacy_bad_input(void);
void c_legacy_dps(void);
void c_legacy_dps_refused(void);
void c_legacy_fota_refused(void);
void c_legacy_fota(void);
void c_legacy_failures(void);

#define printk printf
#define ROOM 256
#define QUEUE 32
#define DEADLINE_S 150

#define CHECK_INT(actual, expected) check_int((actual), (expected), #actual, __LINE__)
#define CHECK_TEXT(actual, expected) check_text((actual), (expected), #actual, __LINE__)

/* A copy of an event, its texts cut at ROOM. */
struct seen {
	enum azure_iot_hub_evt_type type;
	enum azure_iot_hub_topic_type topic;
	int number;
	char payload[ROOM];
	char rid[ROOM];
	char name[ROOM];
	char properties[ROOM];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct seen queue[QUEUE];
static size_t first;
static size_t count;

static void check_int(long actual, long expected, const char *what, int line)
{
	if (actual != expected) {
		fprintf(stderr, "legacy.c:%d: %s is %ld, not %ld\n", line, what, actual, expected);
		abort();
	}
}

static void check_text(const char *actual, const char *expected, const char *what, int line)
{
	if (strcmp(actual, expected) != 0) {
		fprintf(stderr, "legacy.c:%d: %s is \"%s\", not \"%s\"\n", line, what, actual, expected);
		abort();
	}
}

static void copy(char *to, const char *from, size_t len)
{
	const size_t size = len < ROOM - 1 ? len : ROOM - 1;

	if (size > 0) {
		memcpy(to, from, size);
	}
	to[size] = 0;
}

static void copy_properties(char *to, const struct azure_iot_hub_topic_data *topic)
{
	for (size_t i = 0; i < topic->prop_bag_count; i++) {
		const struct azure_iot_hub_prop_bag *bag = &topic->prop_bag[i];
		const size_t used = strlen(to);

		snprintf(to + used, ROOM - used, "%s=%s;", bag->key,
			 bag->value != NULL ? bag->value : "(null)");
	}
}

static void event_handler(struct azure_iot_hub_evt *evt)
{
	struct seen seen = { .type = evt->type, .topic = evt->topic.type };

	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_CONNECTION_FAILED:
	case AZURE_IOT_HUB_EVT_DISCONNECTED:
	case AZURE_IOT_HUB_EVT_ERROR:
		seen.number = evt->data.err;
		break;
	case AZURE_IOT_HUB_EVT_PUBACK:
		seen.number = evt->data.message_id;
		break;
	case AZURE_IOT_HUB_EVT_DATA_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED:
		copy(seen.payload, evt->data.msg.ptr, evt->data.msg.len);
		copy_properties(seen.properties, &evt->data.msg.topic);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS:
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL:
		seen.number = (int)evt->data.result.status;
		copy(seen.payload, evt->data.result.payload, evt->data.result.payload_len);
		copy(seen.rid, evt->data.result.rid, strlen(evt->data.result.rid));
		break;
	case AZURE_IOT_HUB_EVT_DIRECT_METHOD:
		copy(seen.payload, evt->data.method.payload, evt->data.method.payload_len);
		copy(seen.rid, evt->data.method.rid, strlen(evt->data.method.rid));
		copy(seen.name, evt->data.method.name, strlen(evt->data.method.name));
		break;
	default:
		break;
	}
	pthread_mutex_lock(&mutex);
	queue[(first + count) % QUEUE] = seen;
	count++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

/* Waits for the next event, and leaves it: whether it is of this type. */
static bool next_is(enum azure_iot_hub_evt_type type)
{
	struct timespec until;
	bool is;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&mutex);
	while (count == 0) {
		CHECK_INT(pthread_cond_timedwait(&changed, &mutex, &until), 0);
	}
	is = queue[first].type == type;
	pthread_mutex_unlock(&mutex);
	return is;
}

static struct seen expect(enum azure_iot_hub_evt_type type)
{
	struct timespec until;
	struct seen seen;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&mutex);
	while (count == 0) {
		if (pthread_cond_timedwait(&changed, &mutex, &until) != 0) {
			fprintf(stderr, "event %d did not come within %d s\n", (int)type, DEADLINE_S);
			abort();
		}
	}
	seen = queue[first];
	first = (first + 1) % QUEUE;
	count--;
	pthread_mutex_unlock(&mutex);
	CHECK_INT(seen.type, type);
	return seen;
}

/* The example of the library's documentation, word for word between the declarations. */
static int initialise(void)
{
	struct azure_iot_hub_config cfg = {
		.device_id = "my-device",
		.device_id_len = sizeof("my-device") - 1,
	};
	int err = azure_iot_hub_init(&cfg, event_handler);
	if (err) {
		printk("azure_iot_hub_init failed: %d\n", err);
		return err;
	}
	return 0;
}

static void sends(void)
{
	struct azure_iot_hub_prop_bag bags[] = {
		{ .key = "a b", .value = "50%&c" },
		{ .key = "empty", .value = "" },
		{ .key = "flag", .value = NULL },
	};
	struct azure_iot_hub_data msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.topic.prop_bag = bags,
		.topic.prop_bag_count = 3,
		.ptr = "{\"temperature\":25.1}",
		.len = strlen("{\"temperature\":25.1}"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
		.message_id = 4711,
	};
	struct seen seen;

	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_PUBACK).number, 4711);

	msg = (struct azure_iot_hub_data){
		.topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		.ptr = "{\"on\":true}",
		.len = strlen("{\"on\":true}"),
	};
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	seen = expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	CHECK_INT(seen.number, 204);
	CHECK_INT(seen.rid[0] != 0, 1);
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL).number, 400);

	msg = (struct azure_iot_hub_data){ .topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REQUEST };
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
}

static void receives(void)
{
	struct azure_iot_hub_result result = {
		.status = 200,
		.payload = "{\"it\":\"worked\"}",
		.payload_len = strlen("{\"it\":\"worked\"}"),
	};
	struct seen seen = expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);

	CHECK_TEXT(seen.payload, "hello");
	CHECK_TEXT(seen.properties, "$.mid=a b;key=;flag=(null);");
	CHECK_INT(seen.topic, AZURE_IOT_HUB_TOPIC_DEVICEBOUND);
	seen = expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	CHECK_TEXT(seen.payload, "{\"telemetryInterval\":5,\"$version\":2}");
	CHECK_INT(seen.topic, AZURE_IOT_HUB_TOPIC_TWIN_DESIRED);
	seen = expect(AZURE_IOT_HUB_EVT_DIRECT_METHOD);
	CHECK_TEXT(seen.name, "led");
	CHECK_TEXT(seen.rid, "4f");
	CHECK_TEXT(seen.payload, "1");
	result.rid = seen.rid;
	CHECK_INT(azure_iot_hub_method_respond(&result), 0);
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
}

static void connects(void)
{
	CHECK_INT(azure_iot_hub_connect(), 0);
	expect(AZURE_IOT_HUB_EVT_CONNECTING);
	expect(AZURE_IOT_HUB_EVT_CONNECTED);
	expect(AZURE_IOT_HUB_EVT_READY);
	expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
}

static void leaves(void)
{
	CHECK_INT(azure_iot_hub_disconnect(), 0);
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_DISCONNECTED).number, 0);
}

void c_legacy_session(void)
{
	network_attach();
	CHECK_INT(azure_iot_hub_connect(), -ENOENT);
	CHECK_INT(initialise(), 0);
	CHECK_INT(azure_iot_hub_ping(), -ENOTCONN);
	connects();
	CHECK_INT(initialise(), -EALREADY);
	CHECK_INT(azure_iot_hub_init(NULL, NULL), -EALREADY);
	CHECK_INT(azure_iot_hub_connect(), -EALREADY);
	CHECK_INT(azure_iot_hub_input(), 0);
	CHECK_INT(azure_iot_hub_ping(), 0);
	CHECK_INT(azure_iot_hub_keepalive_time_left() > 0, 1);
	sends();
	receives();
	leaves();
	CHECK_INT(azure_iot_hub_disconnect(), -ENOTCONN);
}

void c_legacy_bad_input(void)
{
	static char large[4096];
	struct azure_iot_hub_config config = { .device_id_len = 4 };
	struct azure_iot_hub_prop_bag bag = { .key = large };
	struct azure_iot_hub_data msg = { .topic.type = AZURE_IOT_HUB_TOPIC_EVENT };
	struct azure_iot_hub_result result = { .status = 200 };

	memset(large, 'a', sizeof(large));
	network_attach();
	CHECK_INT(azure_iot_hub_init(NULL, NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_init(&config, event_handler), -EINVAL);
	config.device_id = large;
	config.device_id_len = SIZE_MAX;
	CHECK_INT(azure_iot_hub_init(&config, event_handler), -EMSGSIZE);
	CHECK_INT(azure_iot_hub_send(&msg), -ENOTCONN);
	CHECK_INT(azure_iot_hub_method_respond(&result), -ENOTCONN);
	CHECK_INT(initialise(), 0);
	connects();
	CHECK_INT(azure_iot_hub_send(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_method_respond(NULL), -EINVAL);
	CHECK_INT(azure_iot_hub_method_respond(&result), -EINVAL);
	/* Not terminated within what is looked at. */
	result.rid = large;
	CHECK_INT(azure_iot_hub_method_respond(&result), -EFAULT);
	msg.topic.prop_bag = &bag;
	msg.topic.prop_bag_count = 1;
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);
	bag.key = NULL;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.topic.prop_bag = NULL;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.topic.prop_bag_count = 0;
	msg.topic.type = AZURE_IOT_HUB_TOPIC_DEVICEBOUND;
	CHECK_INT(azure_iot_hub_send(&msg), -ENOMSG);
	msg.topic.type = AZURE_IOT_HUB_TOPIC_EVENT;
	msg.len = SIZE_MAX;
	CHECK_INT(azure_iot_hub_send(&msg), -EINVAL);
	msg.ptr = large;
	CHECK_INT(azure_iot_hub_send(&msg), -EMSGSIZE);
	leaves();
}

static void connects_by_dps(void)
{
	/* In Nordic's order: the hub is connected to when DPS has named it. */
	CHECK_INT(azure_iot_hub_connect(), 0);
	expect(AZURE_IOT_HUB_EVT_DPS_CONNECTING);
	expect(AZURE_IOT_HUB_EVT_DPS_REGISTERING);
	expect(AZURE_IOT_HUB_EVT_DPS_DONE);
	expect(AZURE_IOT_HUB_EVT_CONNECTING);
	expect(AZURE_IOT_HUB_EVT_CONNECTED);
	expect(AZURE_IOT_HUB_EVT_READY);
	expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	leaves();
}

void c_legacy_dps(void)
{
	network_attach();
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	CHECK_INT(azure_iot_hub_init(NULL, event_handler), 0);
	connects_by_dps();
	/* The assignment is remembered, */
	connects();
	leaves();
	/* until it is forgotten. */
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	connects_by_dps();
}

void c_legacy_dps_refused(void)
{
	network_attach();
	CHECK_INT(azure_iot_hub_init(NULL, event_handler), 0);
	CHECK_INT(azure_iot_hub_connect(), 0);
	expect(AZURE_IOT_HUB_EVT_DPS_CONNECTING);
	expect(AZURE_IOT_HUB_EVT_DPS_REGISTERING);
	expect(AZURE_IOT_HUB_EVT_DPS_FAILED);
}

void c_legacy_fota_refused(void)
{
	network_attach();
	CHECK_INT(initialise(), 0);
	connects();
	expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	expect(AZURE_IOT_HUB_EVT_FOTA_START);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	leaves();
}

static void fota_handler(struct azure_iot_hub_evt *evt)
{
	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_READY:
	case AZURE_IOT_HUB_EVT_FOTA_START:
	case AZURE_IOT_HUB_EVT_FOTA_DONE:
	case AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE:
	case AZURE_IOT_HUB_EVT_FOTA_ERROR:
		event_handler(evt);
		break;
	case AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING:
		event_handler(evt);
		slot_may_be_erased();
		break;
	default:
		break;
	}
}

/* As c_fota() of the newer form. */
void c_legacy_fota(void)
{
	slot_is_used();
	network_attach();
	CHECK_INT(azure_iot_hub_init(NULL, fota_handler), 0);
	CHECK_INT(azure_iot_hub_connect(), 0);
	expect(AZURE_IOT_HUB_EVT_READY);
	/* No host. */
	expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	/* Another hash. */
	expect(AZURE_IOT_HUB_EVT_FOTA_START);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERROR);
	expect(AZURE_IOT_HUB_EVT_FOTA_START);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_PENDING);
	expect(AZURE_IOT_HUB_EVT_FOTA_ERASE_DONE);
	expect(AZURE_IOT_HUB_EVT_FOTA_DONE);
	CHECK_INT(azure_iot_hub_disconnect(), 0);
}

/* Every event that tells of one. */
void c_legacy_failures(void)
{
	const struct azure_iot_hub_config other = {
		.device_id = "other-device",
		.device_id_len = strlen("other-device"),
	};
	const struct azure_iot_hub_data msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.ptr = "of my-device",
		.len = strlen("of my-device"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
	};

	network_attach();
	CHECK_INT(initialise(), 0);
	CHECK_INT(azure_iot_hub_connect(), 0);
	expect(AZURE_IOT_HUB_EVT_CONNECTING);
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_CONNECTION_FAILED).number, 5);
	connects();
	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_DISCONNECTED).number < 0, 1);
	/* What was kept was kept for my-device. */
	CHECK_INT(azure_iot_hub_init(&other, event_handler), 0);
	CHECK_INT(azure_iot_hub_connect(), 0);
	/* One of the two is told on the thread here, the other on the driver's. */
	if (next_is(AZURE_IOT_HUB_EVT_CONNECTING)) {
		expect(AZURE_IOT_HUB_EVT_CONNECTING);
		CHECK_INT(expect(AZURE_IOT_HUB_EVT_ERROR).number, -EIO);
	} else {
		CHECK_INT(expect(AZURE_IOT_HUB_EVT_ERROR).number, -EIO);
		expect(AZURE_IOT_HUB_EVT_CONNECTING);
	}
	expect(AZURE_IOT_HUB_EVT_CONNECTED);
	expect(AZURE_IOT_HUB_EVT_READY);
	expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	/* Larger than the payload buffer. */
	CHECK_INT(expect(AZURE_IOT_HUB_EVT_ERROR).number, -EMSGSIZE);
}
