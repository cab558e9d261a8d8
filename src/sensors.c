/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iothub_board.h: sensors, by Zephyr's sensor API. Which ones a board has, its devicetree says with the aliases
 * iothub-environment, iothub-light and iothub-battery: a board without one has no such value.
 */
#include <errno.h>
#include <zephyr/device.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>

#include <iothub_board.h>

#include "board_events.h"

#if defined(CONFIG_IOTHUB_SENSORS)
#define ENVIRONMENT DEVICE_DT_GET_OR_NULL(DT_ALIAS(iothub_environment))
#define LIGHT DEVICE_DT_GET_OR_NULL(DT_ALIAS(iothub_light))
#define BATTERY DEVICE_DT_GET_OR_NULL(DT_ALIAS(iothub_battery))

/* What is fetched within this time is one measurement. */
#define MEASUREMENT_MS 1000

static const struct source {
	const struct device *device;
	enum sensor_channel channel;
	/* Of our unit in one of Zephyr's. */
	int32_t scale;
} sources[] = {
	[IOTHUB_SENSOR_TEMPERATURE] = {ENVIRONMENT, SENSOR_CHAN_AMBIENT_TEMP, 1000},
	[IOTHUB_SENSOR_HUMIDITY] = {ENVIRONMENT, SENSOR_CHAN_HUMIDITY, 1000},
	[IOTHUB_SENSOR_PRESSURE] = {ENVIRONMENT, SENSOR_CHAN_PRESS, 1000},
	[IOTHUB_SENSOR_GAS] = {ENVIRONMENT, SENSOR_CHAN_GAS_RES, 1},
	[IOTHUB_SENSOR_LIGHT] = {LIGHT, SENSOR_CHAN_LIGHT, 1},
	[IOTHUB_SENSOR_BATTERY_VOLTAGE] = {BATTERY, SENSOR_CHAN_GAUGE_VOLTAGE, 1000},
	[IOTHUB_SENSOR_BATTERY_CURRENT] = {BATTERY, SENSOR_CHAN_GAUGE_AVG_CURRENT, 1000},
	[IOTHUB_SENSOR_BATTERY_TEMPERATURE] = {BATTERY, SENSOR_CHAN_GAUGE_TEMP, 10},
	[IOTHUB_SENSOR_BATTERY_CHARGE] = {BATTERY, SENSOR_CHAN_GAUGE_STATE_OF_CHARGE, 1},
	[IOTHUB_SENSOR_TIME_TO_EMPTY] = {BATTERY, SENSOR_CHAN_GAUGE_TIME_TO_EMPTY, 60},
	[IOTHUB_SENSOR_TIME_TO_FULL] = {BATTERY, SENSOR_CHAN_GAUGE_TIME_TO_FULL, 60},
};

/* A driver that hangs holds this queue's thread and nobody else. */
static K_THREAD_STACK_DEFINE(stack, CONFIG_IOTHUB_SENSOR_STACK_SIZE);
static struct k_work_q queue;
static struct k_work work;
static K_SEM_DEFINE(answer, 0, 1);
static K_MUTEX_DEFINE(one_at_a_time);

/* Written by who asks while nothing is under way, and by the queue's thread while something is. */
static const struct source *asked;
static struct sensor_value measured;
static int result;
static atomic_t under_way;
static atomic_t answered;

static const struct device *fetched;
static int64_t fetched_at;

static int measure(const struct source *source)
{
	int err = 0;

	if (fetched != source->device || k_uptime_get() - fetched_at >= MEASUREMENT_MS) {
		fetched = NULL;
		err = sensor_sample_fetch(source->device);
		if (err == 0) {
			fetched = source->device;
			fetched_at = k_uptime_get();
		}
	}
	return err != 0 ? err : sensor_channel_get(source->device, source->channel, &measured);
}

static void run(struct k_work *of)
{
	ARG_UNUSED(of);
	result = measure(asked);
	(void)atomic_inc(&answered);
	atomic_set(&under_way, 0);
	k_sem_give(&answer);
}

static int converted(int32_t scale, int32_t *value)
{
	int64_t scaled = (int64_t)measured.val1 * scale + (int64_t)measured.val2 * scale / 1000000;

	if (measured.val2 <= -1000000 || measured.val2 >= 1000000 || scaled < INT32_MIN || scaled > INT32_MAX) {
		return -ERANGE;
	}
	*value = (int32_t)scaled;
	return 0;
}

static int ask(const struct source *source, int32_t *value)
{
	static bool started;
	atomic_val_t before;

	if (!started) {
		started = true;
		k_work_queue_start(&queue, stack, K_THREAD_STACK_SIZEOF(stack),
				   K_PRIO_PREEMPT(CONFIG_IOTHUB_THREAD_PRIORITY), NULL);
		(void)k_thread_name_set(k_work_queue_thread_get(&queue), "iothub_sensors");
		k_work_init(&work, run);
	}
	if (!atomic_cas(&under_way, 0, 1)) {
		return -EBUSY;
	}
	before = atomic_get(&answered);
	asked = source;
	(void)k_work_submit_to_queue(&queue, &work);
	/* An answer that came too late for who had asked may have left the semaphore given. */
	while (atomic_get(&answered) == before) {
		if (k_sem_take(&answer, K_MSEC(CONFIG_IOTHUB_SENSOR_TIMEOUT_MS)) != 0) {
			return -ETIMEDOUT;
		}
	}
	return result != 0 ? result : converted(source->scale, value);
}

int iothub_board_sensor_read(unsigned int sensor, int32_t *value)
{
	int err;

	if (sensor >= IOTHUB_SENSOR_LATITUDE) {
		return iothub_location_read(sensor, value);
	}
	if (sources[sensor].device == NULL) {
		return -ENOTSUP;
	}
	if (!device_is_ready(sources[sensor].device)) {
		return -EIO;
	}
	(void)k_mutex_lock(&one_at_a_time, K_FOREVER);
	err = ask(&sources[sensor], value);
	(void)k_mutex_unlock(&one_at_a_time);
	return err;
}
#else
int iothub_board_sensor_read(unsigned int sensor, int32_t *value)
{
	return sensor >= IOTHUB_SENSOR_LATITUDE ? iothub_location_read(sensor, value) : -ENOTSUP;
}
#endif
