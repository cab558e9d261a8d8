/* SPDX-License-Identifier: Apache-2.0 */
/* Eight threads that call everything, for as long as CAPI_STRESS_S says (2 s if it does not), and until enough has come of it. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include "harness.h"

void c_stress(void);

#define THREADS 8

static atomic_bool done;
static atomic_int inside;
static atomic_int enough;
static atomic_ulong events;
static atomic_ulong sent;
static atomic_ulong connects;

static void on_event(struct azure_iot_hub_evt *evt)
{
	if (evt->type == AZURE_IOT_HUB_EVT_CONNECTING) {
		/* On the thread of whoever connects. */
		return;
	}
	/* One thread at a time. */
	CHECK_INT(atomic_fetch_add(&inside, 1), 0);
	atomic_fetch_add(&events, 1);
	if (evt->type == AZURE_IOT_HUB_EVT_PUBACK || evt->type == AZURE_IOT_HUB_EVT_DISCONNECTED) {
		const struct azure_iot_hub_msg msg = {
			.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
			.payload = harness_buf("from the handler"),
		};

		(void)azure_iot_hub_send(&msg);
	}
	if (atomic_load(&connects) >= 3 && atomic_load(&sent) >= 100 && atomic_load(&events) >= 10) {
		atomic_store(&enough, 1);
	}
	CHECK_INT(atomic_fetch_sub(&inside, 1), 1);
}

static void check_one_of(int result, const int *allowed, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (result == allowed[i]) {
			return;
		}
	}
	CHECK_INT(result, 0);
}

static void *work(void *argument)
{
	const int number = *(const int *)argument;
	const struct azure_iot_hub_config config = harness_config();
	const struct azure_iot_hub_msg messages[] = {
		{ .topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		  .payload = harness_buf("1"),
		  .qos = MQTT_QOS_1_AT_LEAST_ONCE },
		{ .topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REPORTED,
		  .payload = harness_buf("{\"a\":1}"),
		  .request_id = harness_buf("mine") },
		{ .topic.type = AZURE_IOT_HUB_TOPIC_TWIN_REQUEST },
	};
	const int connect_results[] = { 0, -EALREADY, -EINPROGRESS, -ECANCELED };
	const int disconnect_results[] = { 0, -ENOTCONN };
	const int send_results[] = { 0, -ENOTCONN, -ENOMEM };
	const struct timespec pause = { .tv_nsec = 1000000 };

	for (unsigned int turn = 0; !atomic_load(&done); turn++) {
		int result;

		if (number < 2) {
			result = azure_iot_hub_connect(&config);
			check_one_of(result, connect_results, 4);
			if (result == 0) {
				atomic_fetch_add(&connects, 1);
			}
		} else if (number == 2 && turn % 256 == 255) {
			check_one_of(azure_iot_hub_disconnect(), disconnect_results, 2);
		} else {
			result = azure_iot_hub_send(&messages[(turn + (unsigned int)number) % 3]);
			check_one_of(result, send_results, 3);
			if (result == 0) {
				atomic_fetch_add(&sent, 1);
			}
		}
		nanosleep(&pause, NULL);
	}
	return NULL;
}

void c_stress(void)
{
	static int numbers[THREADS];
	const char *seconds = getenv("CAPI_STRESS_S");
	const struct timespec duration = { .tv_sec = seconds != NULL ? atoi(seconds) : 2 };
	pthread_t threads[THREADS];

	harness_network();
	CHECK_INT(azure_iot_hub_init(on_event), 0);
	for (int i = 0; i < THREADS; i++) {
		numbers[i] = i;
		CHECK_INT(pthread_create(&threads[i], NULL, work, &numbers[i]), 0);
	}
	nanosleep(&duration, NULL);
	harness_until(&enough, 1, "enough of every event");
	atomic_store(&done, true);
	for (int i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	(void)azure_iot_hub_disconnect();
	printf("%lu connects, %lu messages, %lu events\n", atomic_load(&connects),
	       atomic_load(&sent), atomic_load(&events));
}
