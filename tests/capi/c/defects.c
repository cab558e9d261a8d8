/* SPDX-License-Identifier: Apache-2.0 */
/* Each of these fails with the library that this one stands in for. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "harness.h"

void c_configured_names(void);
void c_payloads_have_their_size(void);
void c_answers_from_several_threads(void);

static void connect_and_leave(const struct azure_iot_hub_config *config)
{
	harness_connects(config);
	harness_leave();
}

void c_configured_names(void)
{
	const struct azure_iot_hub_config empty = { .use_dps = false };
	const struct azure_iot_hub_config only_id = { .device_id = harness_buf("device-1") };

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	connect_and_leave(&empty);
	connect_and_leave(NULL);
	connect_and_leave(&only_id);
}

void c_payloads_have_their_size(void)
{
	struct seen seen;

	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	harness_expect(AZURE_IOT_HUB_EVT_DATA_RECEIVED);
	/* The rest of the message before is still behind it. */
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	CHECK_TEXT(seen.payload, "{\"a\":1,\"$version\":2}");
	/* Nor does the client itself read on: it would have found another version, and no JSON. */
	seen = harness_expect(AZURE_IOT_HUB_EVT_TWIN_DESIRED_RECEIVED);
	CHECK_TEXT(seen.payload, "{\"$version\":3}");
	harness_leave();
}

#define CALLS 4
#define ROUNDS 8

static pthread_barrier_t barrier;

static void *answer(void *argument)
{
	const struct seen *call = argument;
	const unsigned int number = (unsigned int)atoi(call->payload);
	struct azure_iot_hub_result result = {
		.request_id = harness_buf(call->request_id),
		.status = 200 + number,
		.payload = harness_buf(call->payload),
	};

	pthread_barrier_wait(&barrier);
	CHECK_INT(azure_iot_hub_method_respond(&result), 0);
	return NULL;
}

void c_answers_from_several_threads(void)
{
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	CHECK_INT(pthread_barrier_init(&barrier, NULL, CALLS), 0);
	for (int round = 0; round < ROUNDS; round++) {
		struct seen calls[CALLS];
		pthread_t threads[CALLS];

		for (int i = 0; i < CALLS; i++) {
			calls[i] = harness_expect(AZURE_IOT_HUB_EVT_DIRECT_METHOD);
		}
		for (int i = 0; i < CALLS; i++) {
			CHECK_INT(pthread_create(&threads[i], NULL, answer, &calls[i]), 0);
		}
		for (int i = 0; i < CALLS; i++) {
			CHECK_INT(pthread_join(threads[i], NULL), 0);
		}
	}
	pthread_barrier_destroy(&barrier);
	harness_leave();
}
