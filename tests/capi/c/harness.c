/* SPDX-License-Identifier: Apache-2.0 */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"
#include "network.h"

#define DEADLINE_S 150
#define QUEUE 64

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static struct seen queue[QUEUE];
static size_t first;
static size_t count;

void harness_check(bool holds, const char *what, const char *file, int line)
{
	if (!holds) {
		fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
		abort();
	}
}

void harness_check_int(long actual, long expected, const char *what, const char *file, int line)
{
	if (actual != expected) {
		fprintf(stderr, "%s:%d: %s is %ld, not %ld\n", file, line, what, actual, expected);
		abort();
	}
}

void harness_check_text(const char *actual, const char *expected, const char *what,
			const char *file, int line)
{
	if (strcmp(actual, expected) != 0) {
		fprintf(stderr, "%s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, actual,
			expected);
		abort();
	}
}

/* Waits for `changed`, with the mutex held. */
static void wait_until(const struct timespec *deadline, const char *what)
{
	if (pthread_cond_timedwait(&changed, &mutex, deadline) != 0) {
		fprintf(stderr, "%s did not come within %d s\n", what, DEADLINE_S);
		abort();
	}
}

static struct timespec deadline(void)
{
	struct timespec at;

	clock_gettime(CLOCK_REALTIME, &at);
	at.tv_sec += DEADLINE_S;
	return at;
}

void harness_network(void)
{
	network_attach();
}

static void copy(char *to, struct azure_iot_hub_buf from)
{
	const size_t size = from.size < ROOM - 1 ? from.size : ROOM - 1;

	if (size > 0) {
		memcpy(to, from.ptr, size);
	}
	to[size] = 0;
}

static void copy_properties(struct seen *seen, const struct azure_iot_hub_topic_data *topic)
{
	seen->property_count = topic->property_count;
	for (size_t i = 0; i < topic->property_count; i++) {
		const struct azure_iot_hub_property *property = &topic->properties[i];
		const size_t used = strlen(seen->properties);

		snprintf(seen->properties + used, ROOM - used, "%.*s=%.*s;",
			 (int)property->key.size, property->key.ptr, (int)property->value.size,
			 property->value.ptr);
	}
}

void harness_handler(struct azure_iot_hub_evt *evt)
{
	struct seen seen = { .type = evt->type, .topic_type = evt->topic.type };

	copy(seen.topic, evt->topic.name);
	switch (evt->type) {
	case AZURE_IOT_HUB_EVT_CONNECTED:
		seen.persistent_session = evt->data.persistent_session;
		break;
	case AZURE_IOT_HUB_EVT_CONNECTION_FAILED:
	case AZURE_IOT_HUB_EVT_DISCONNECTED:
	case AZURE_IOT_HUB_EVT_ERROR:
		seen.err = evt->data.err;
		break;
	case AZURE_IOT_HUB_EVT_PUBACK:
		seen.message_id = evt->data.message_id;
		break;
	case AZURE_IOT_HUB_EVT_DATA_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_RECEIVED:
	case AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED:
		copy(seen.payload, evt->data.msg.payload);
		copy(seen.request_id, evt->data.msg.request_id);
		copy_properties(&seen, &evt->topic);
		break;
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS:
	case AZURE_IOT_HUB_EVT_TWIN_RESULT_FAIL:
		copy(seen.payload, evt->data.result.payload);
		copy(seen.request_id, evt->data.result.request_id);
		seen.status = evt->data.result.status;
		break;
	case AZURE_IOT_HUB_EVT_DIRECT_METHOD:
		copy(seen.payload, evt->data.method.payload);
		copy(seen.request_id, evt->data.method.request_id);
		copy(seen.name, evt->data.method.name);
		break;
	default:
		break;
	}
	pthread_mutex_lock(&mutex);
	CHECK(count < QUEUE);
	queue[(first + count) % QUEUE] = seen;
	count++;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

struct seen harness_expect(enum azure_iot_hub_evt_type type)
{
	const struct timespec until = deadline();
	char what[32];

	snprintf(what, sizeof(what), "event %d", (int)type);
	pthread_mutex_lock(&mutex);
	while (count == 0) {
		wait_until(&until, what);
	}
	const struct seen seen = queue[first];

	first = (first + 1) % QUEUE;
	count--;
	pthread_mutex_unlock(&mutex);
	CHECK_INT(seen.type, type);
	return seen;
}

bool harness_next_is(enum azure_iot_hub_evt_type type)
{
	const struct timespec until = deadline();
	bool is;

	pthread_mutex_lock(&mutex);
	while (count == 0) {
		wait_until(&until, "an event");
	}
	is = queue[first].type == type;
	pthread_mutex_unlock(&mutex);
	return is;
}

void harness_until(const atomic_int *value, int wanted, const char *what)
{
	const struct timespec pause = { .tv_nsec = 1000000 };
	const struct timespec until = deadline();
	struct timespec now;

	while (atomic_load(value) != wanted) {
		clock_gettime(CLOCK_REALTIME, &now);
		if (now.tv_sec > until.tv_sec) {
			fprintf(stderr, "%s did not come within %d s\n", what, DEADLINE_S);
			abort();
		}
		nanosleep(&pause, NULL);
	}
}

void harness_expect_silence(void)
{
	pthread_mutex_lock(&mutex);
	CHECK_INT((long)count, 0);
	pthread_mutex_unlock(&mutex);
}

struct azure_iot_hub_buf harness_buf(const char *text)
{
	/* The structs have no const, as Nordic's. */
	union {
		const char *from;
		char *to;
	} text_of = { .from = text };

	return (struct azure_iot_hub_buf){ .ptr = text_of.to, .size = strlen(text) };
}

struct azure_iot_hub_config harness_config(void)
{
	return (struct azure_iot_hub_config){
		.hostname = harness_buf("my-hub.azure-devices.net"),
		.device_id = harness_buf("device-1"),
	};
}

void harness_connects(const struct azure_iot_hub_config *config)
{
	CHECK_INT(azure_iot_hub_connect(config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
}

void harness_ready(void)
{
	const struct azure_iot_hub_config config = harness_config();

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	CHECK_INT(azure_iot_hub_connect(&config), 0);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
	harness_expect(AZURE_IOT_HUB_EVT_CONNECTED);
	harness_expect(AZURE_IOT_HUB_EVT_READY);
}

void harness_leave(void)
{
	CHECK_INT(azure_iot_hub_disconnect(), 0);
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_DISCONNECTED).err, 0);
	harness_expect_silence();
}
