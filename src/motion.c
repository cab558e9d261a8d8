/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iothub_board.h: movement, by the accelerometer that the devicetree's alias iothub-motion names, and the buzzer of the alias
 * iothub-buzzer. The accelerometer watches by itself and wakes the processor.
 */
#include <errno.h>
#include <stdbool.h>
#include <zephyr/device.h>
#include <zephyr/drivers/pwm.h>
#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>

#include <iothub_board.h>

#include "board_events.h"

#if defined(CONFIG_IOTHUB_SENSORS) && DT_NODE_HAS_STATUS(DT_ALIAS(iothub_motion), okay)
static const struct device *const accelerometer = DEVICE_DT_GET(DT_ALIAS(iothub_motion));

#if DT_NODE_HAS_COMPAT(DT_ALIAS(iothub_motion), adi_adxl362)
/* Its driver takes thresholds as the chip does, in mg at the range of 2 g, and tells movement and stillness apart. */
#define THRESHOLD_MAX_MG 2047
#define TRIGGERS {SENSOR_TRIG_MOTION, SENSOR_TRIG_STATIONARY}
#else
/* Others tell that a threshold was passed: stillness is then that none is passed for long enough. */
#define TRIGGERS {SENSOR_TRIG_THRESHOLD}
#endif

#define MM_S2_OF_G 9807

static uint32_t still_after_ms;

static void still(struct k_work *work)
{
	ARG_UNUSED(work);
	iothub_board_tell(IOTHUB_BOARD_STILL, 0);
}

static K_WORK_DELAYABLE_DEFINE(stillness, still);

static void on_trigger(const struct device *device, const struct sensor_trigger *trigger)
{
	ARG_UNUSED(device);
	if (trigger->type == SENSOR_TRIG_STATIONARY) {
		(void)k_work_reschedule(&stillness, K_MSEC(still_after_ms));
		return;
	}
	if (trigger->type == SENSOR_TRIG_MOTION) {
		(void)k_work_cancel_delayable(&stillness);
	} else {
		(void)k_work_reschedule(&stillness, K_MSEC(still_after_ms));
	}
	iothub_board_tell(IOTHUB_BOARD_MOVING, 0);
}

static int threshold(enum sensor_attribute attribute, uint32_t mm_s2)
{
#if defined(THRESHOLD_MAX_MG)
	struct sensor_value value = {.val1 = (int32_t)MIN(mm_s2 * 1000 / MM_S2_OF_G, THRESHOLD_MAX_MG)};
#else
	struct sensor_value value = {
		.val1 = (int32_t)(mm_s2 / 1000),
		.val2 = (int32_t)(mm_s2 % 1000) * 1000,
	};
#endif

	return sensor_attr_set(accelerometer, SENSOR_CHAN_ACCEL_X, attribute, &value);
}

int iothub_board_motion_set(uint32_t active, uint32_t inactive, uint32_t still_ms)
{
	static const enum sensor_trigger_type types[] = TRIGGERS;
	static struct sensor_trigger triggers[ARRAY_SIZE(types)];
	int err;

	if (!device_is_ready(accelerometer)) {
		return -EIO;
	}
	still_after_ms = still_ms;
	err = threshold(SENSOR_ATTR_UPPER_THRESH, active);
	if (err == 0) {
		err = threshold(SENSOR_ATTR_LOWER_THRESH, inactive);
	}
	for (size_t i = 0; err == 0 && i < ARRAY_SIZE(types); i++) {
		triggers[i].type = types[i];
		triggers[i].chan = SENSOR_CHAN_ACCEL_XYZ;
		err = sensor_trigger_set(accelerometer, &triggers[i], on_trigger);
	}
	return err;
}
#else
int iothub_board_motion_set(uint32_t active, uint32_t inactive, uint32_t still_ms)
{
	ARG_UNUSED(active);
	ARG_UNUSED(inactive);
	ARG_UNUSED(still_ms);
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_PWM) && DT_NODE_HAS_STATUS(DT_ALIAS(iothub_buzzer), okay)
static const struct pwm_dt_spec buzzer = PWM_DT_SPEC_GET(DT_ALIAS(iothub_buzzer));

static void silence(struct k_work *work)
{
	ARG_UNUSED(work);
	(void)pwm_set_pulse_dt(&buzzer, 0);
}

static K_WORK_DELAYABLE_DEFINE(silencing, silence);

int iothub_board_buzz(uint32_t duration_ms)
{
	int err = pwm_is_ready_dt(&buzzer) ? pwm_set_pulse_dt(&buzzer, buzzer.period / 2) : -EIO;

	if (err == 0) {
		(void)k_work_reschedule(&silencing, K_MSEC(duration_ms));
	}
	return err;
}
#else
int iothub_board_buzz(uint32_t duration_ms)
{
	ARG_UNUSED(duration_ms);
	return -ENOTSUP;
}
#endif
