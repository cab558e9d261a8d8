/* SPDX-License-Identifier: Apache-2.0 */
/* Provisioning. tests/emulated.rs and tests/scripted.rs play the service. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <net/azure_iot_hub_dps.h>

#include "clock.h"
#include "harness.h"

void c_dps_registers(void);
void c_dps_is_remembered(void);
void c_dps_in_connect(void);
void c_dps_refused_in_connect(void);
void c_dps_throttled(void);
void c_dps_reset_while_running(void);
void c_dps_lost_connection(void);
void c_dps_silent(void);

#define DEADLINE_S 150
#define STATUSES 16

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static enum azure_iot_hub_dps_reg_status statuses[STATUSES];
static size_t first;
static size_t count;

static void on_status(enum azure_iot_hub_dps_reg_status status)
{
	pthread_mutex_lock(&mutex);
	CHECK(count < STATUSES);
	statuses[count++] = status;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&mutex);
}

static void expect(enum azure_iot_hub_dps_reg_status status)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += DEADLINE_S;
	pthread_mutex_lock(&mutex);
	while (first == count) {
		if (pthread_cond_timedwait(&changed, &mutex, &until) != 0) {
			fprintf(stderr, "status %d did not come within %d s\n", (int)status, DEADLINE_S);
			abort();
		}
	}
	CHECK_INT(statuses[first++], status);
	pthread_mutex_unlock(&mutex);
}

static void expect_no_more(void)
{
	pthread_mutex_lock(&mutex);
	CHECK_INT((long)(count - first), 0);
	pthread_mutex_unlock(&mutex);
}

/* The names are on the stack and not terminated: they are copied. */
static void init(const char *id_scope)
{
	char scope[32];
	char id[] = "device-1 and more";
	struct azure_iot_hub_dps_config config = {
		.handler = on_status,
		.id_scope = { .ptr = scope, .size = strlen(id_scope) },
		.reg_id = { .ptr = id, .size = strlen("device-1") },
	};

	memset(scope, 'x', sizeof(scope));
	memcpy(scope, id_scope, strlen(id_scope));
	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED);
	memset(scope, '?', sizeof(scope));
	memset(id, '?', sizeof(id));
}

static void check_text(const struct azure_iot_hub_buf *buf, const char *text)
{
	CHECK_INT((long)buf->size, (long)strlen(text));
	/* It is terminated, which the size does not count. */
	CHECK_TEXT(buf->ptr, text);
}

static void check_assigned(void)
{
	struct azure_iot_hub_buf hostname;
	struct azure_iot_hub_buf device_id;

	CHECK_INT(azure_iot_hub_dps_hostname_get(&hostname), 0);
	check_text(&hostname, "my-hub.azure-devices.net");
	CHECK_INT(azure_iot_hub_dps_device_id_get(&device_id), 0);
	check_text(&device_id, "device-1");
}

static void check_unassigned(void)
{
	struct azure_iot_hub_buf buf;

	CHECK_INT(azure_iot_hub_dps_hostname_get(&buf), -ENOENT);
	CHECK_INT(azure_iot_hub_dps_device_id_get(&buf), -ENOENT);
}

static void registers(void)
{
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED);
	expect_no_more();
	check_assigned();
}

void c_dps_registers(void)
{
	struct azure_iot_hub_config config = { .use_dps = false };

	harness_network();
	init("0ne00000001");
	check_unassigned();
	registers();

	/* As Nordic's sample goes on. */
	CHECK_INT(azure_iot_hub_dps_start(), -EALREADY);
	CHECK_INT(azure_iot_hub_dps_hostname_get(&config.hostname), 0);
	CHECK_INT(azure_iot_hub_dps_device_id_get(&config.device_id), 0);
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	CHECK_INT(azure_iot_hub_dps_start(), -EALREADY);
	harness_leave();

	CHECK_INT(azure_iot_hub_dps_hostname_delete(), 0);
	CHECK_INT(azure_iot_hub_dps_hostname_get(&config.hostname), -ENOENT);
	CHECK_INT(azure_iot_hub_dps_device_id_get(&config.device_id), 0);
	CHECK_INT(azure_iot_hub_dps_device_id_delete(), 0);
	CHECK_INT(azure_iot_hub_dps_device_id_delete(), 0);
	check_unassigned();
	registers();
	harness_expect_silence();
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	check_unassigned();
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
	init("0ne00000001");
	registers();
}

/* In a process of its own, after c_dps_registers in another. */
void c_dps_is_remembered(void)
{
	const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = harness_buf("device-1"),
	};

	harness_network();
	check_assigned();
	init("0ne00000001");
	CHECK_INT(azure_iot_hub_dps_start(), -EALREADY);
	expect_no_more();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	harness_leave();
}

void c_dps_in_connect(void)
{
	const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = harness_buf("device-1"),
	};

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	harness_connects(&config);
	check_assigned();
	harness_leave();
}

void c_dps_refused_in_connect(void)
{
	const struct azure_iot_hub_config config = {
		.use_dps = true,
		.device_id = harness_buf("device-1"),
	};

	harness_network();
	CHECK_INT(azure_iot_hub_init(harness_handler), 0);
	/* At once, not after the longest time that DPS may take; and nothing of it is left over. */
	for (int i = 0; i < 2; i++) {
		CHECK_INT(azure_iot_hub_connect(&config), -ECONNREFUSED);
		harness_expect(AZURE_IOT_HUB_EVT_CONNECTING);
		harness_expect_silence();
		check_unassigned();
	}
	init("0ne00000001");
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_FAILED);
	expect_no_more();
}

void c_dps_throttled(void)
{
	harness_network();
	init("0ne00000001");
	registers();
}

void c_dps_reset_while_running(void)
{
	struct azure_iot_hub_dps_config config = {
		.handler = on_status,
		.id_scope = harness_buf("0ne00000001"),
		.reg_id = harness_buf("device-1"),
	};

	harness_network();
	init("0ne00000001");
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING);
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
	CHECK_INT(azure_iot_hub_dps_init(&config), -EACCES);
	CHECK_INT(azure_iot_hub_dps_reset(), 0);
	CHECK_INT(azure_iot_hub_dps_start(), -EACCES);
	/* And again at once, while the old one is still being ended; the old handler hears no more of it. */
	init("0ne00000001");
	registers();
}

void c_dps_lost_connection(void)
{
	harness_network();
	init("0ne00000001");
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_FAILED);
	expect_no_more();
	/* The same state again. */
	registers();
}

/* Whether a failure was told, and what a start from inside of that gave. */
static bool failed;
static int again = -1;

static void on_status_again(enum azure_iot_hub_dps_reg_status status)
{
	if (status == AZURE_IOT_HUB_DPS_REG_STATUS_FAILED && !failed) {
		failed = true;
		/* The hub's script has let it hurry. */
		clock_hurry(false);
		again = azure_iot_hub_dps_start();
	}
	on_status(status);
}

void c_dps_silent(void)
{
	struct azure_iot_hub_dps_config config = {
		.handler = on_status_again,
		.id_scope = harness_buf("0ne00000001"),
		.reg_id = harness_buf("device-1"),
	};

	harness_network();
	CHECK_INT(azure_iot_hub_dps_init(&config), 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_NOT_STARTED);
	CHECK_INT(azure_iot_hub_dps_start(), 0);
	/* The connection stays, and no answer comes. Whoever tells that does not wait for the end of the connection: a
	 * registration can begin from inside.
	 */
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_FAILED);
	CHECK_INT(again, 0);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNING);
	expect(AZURE_IOT_HUB_DPS_REG_STATUS_ASSIGNED);
	expect_no_more();
	check_assigned();
}
