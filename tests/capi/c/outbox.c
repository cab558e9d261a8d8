/* SPDX-License-Identifier: Apache-2.0 */
/* Every function of iothub_outbox.h. tests/capi/outbox runs it in a build that has the outbox in flash and stores what is accepted;
 * in every other build the functions say that there is none. */
#include <stdlib.h>
#include <time.h>

#include <iothub_outbox.h>

#include "harness.h"

void c_outbox(void);

static const char text[] = "21 starts, 3 of them by the watchdog";

static void waits_until_empty(void)
{
	const struct timespec pause = {.tv_nsec = 10000000};
	struct iothub_outbox_status status;

	for (int round = 0; round < 6000; round++) {
		CHECK_INT(iothub_outbox_status(&status), 0);
		if (status.depth == 0) {
			return;
		}
		nanosleep(&pause, NULL);
	}
	CHECK_INT(status.depth, 0);
}

static void keeps_values(int in_flash)
{
	char value[sizeof(text)];

	CHECK_INT(iothub_outbox_keep(0, NULL, 1), -EINVAL);
	CHECK_INT(iothub_outbox_kept(0, NULL, 1), -EINVAL);
	CHECK_INT(iothub_outbox_kept(0, value, sizeof(value)), 0);
	CHECK_INT(iothub_outbox_keep(0, "older", 5), in_flash ? 0 : -ENOTCONN);
	CHECK_INT(iothub_outbox_keep(0, text, sizeof(text)), in_flash ? 0 : -ENOTCONN);
	if (!in_flash) {
		return;
	}
	CHECK_INT(iothub_outbox_keep(4, text, 1), -EMSGSIZE);
	CHECK_INT(iothub_outbox_kept(0, value, sizeof(value)), sizeof(text));
	CHECK_TEXT(value, text);
	CHECK_INT(iothub_outbox_kept(0, value, 2), 2);
	CHECK_INT(iothub_outbox_kept(1, value, sizeof(value)), 0);
	CHECK_INT(iothub_outbox_keep(0, NULL, 0), 0);
	CHECK_INT(iothub_outbox_kept(0, value, sizeof(value)), 0);
}

void c_outbox(void)
{
	const int in_flash = getenv("CAPI_OUTBOX") != NULL;
	struct azure_iot_hub_msg msg = {
		.topic.type = AZURE_IOT_HUB_TOPIC_EVENT,
		.payload = harness_buf("kept"),
		.qos = MQTT_QOS_1_AT_LEAST_ONCE,
		.message_id = 7,
	};
	struct iothub_outbox_status status;

	CHECK_INT(iothub_outbox_status(NULL), -EINVAL);
	CHECK_INT(iothub_outbox_status(&status), -ENOTCONN);
	CHECK_INT(iothub_outbox_report(0, "{}", 2), -ENOTCONN);
	harness_ready();
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RECEIVED);
	keeps_values(in_flash);

	CHECK_INT(azure_iot_hub_send(&msg), 0);
	CHECK_INT(iothub_outbox_status(&status), in_flash ? 0 : -ENOTCONN);
	if (in_flash) {
		CHECK_INT(status.depth, 1);
		CHECK(status.sectors >= 4 && status.sectors_used >= 2);
		CHECK_INT(status.dropped + status.expired + status.too_large + status.damaged, 0);
	}
	iothub_outbox_flush();
	CHECK_INT(iothub_outbox_report(0, "1", 1), -EINVAL);
	CHECK_INT(iothub_outbox_report(4, "{}", 2), -EMSGSIZE);
	CHECK_INT(iothub_outbox_report(0, "{\"starts\":21}", 13), 0);
	/* The hub acknowledges the message once the report is there. */
	CHECK_INT(harness_expect(AZURE_IOT_HUB_EVT_PUBACK).message_id, 7);
	harness_expect(AZURE_IOT_HUB_EVT_TWIN_RESULT_SUCCESS);
	if (in_flash) {
		waits_until_empty();
	}
	harness_leave();
}
