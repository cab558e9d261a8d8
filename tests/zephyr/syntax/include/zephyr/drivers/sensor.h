/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_DRIVERS_SENSOR_H
#define SYNTAX_ZEPHYR_DRIVERS_SENSOR_H

#include <stdint.h>

#include <zephyr/device.h>

struct sensor_value {
	int32_t val1;
	int32_t val2;
};

enum sensor_channel {
	SENSOR_CHAN_ACCEL_X,
	SENSOR_CHAN_ACCEL_XYZ,
	SENSOR_CHAN_AMBIENT_TEMP,
	SENSOR_CHAN_PRESS,
	SENSOR_CHAN_HUMIDITY,
	SENSOR_CHAN_LIGHT,
	SENSOR_CHAN_GAS_RES,
	SENSOR_CHAN_GAUGE_VOLTAGE,
	SENSOR_CHAN_GAUGE_AVG_CURRENT,
	SENSOR_CHAN_GAUGE_TEMP,
	SENSOR_CHAN_GAUGE_STATE_OF_CHARGE,
	SENSOR_CHAN_GAUGE_TIME_TO_EMPTY,
	SENSOR_CHAN_GAUGE_TIME_TO_FULL,
};

enum sensor_attribute {
	SENSOR_ATTR_LOWER_THRESH,
	SENSOR_ATTR_UPPER_THRESH,
};

enum sensor_trigger_type {
	SENSOR_TRIG_THRESHOLD,
	SENSOR_TRIG_MOTION,
	SENSOR_TRIG_STATIONARY,
};

struct sensor_trigger {
	enum sensor_trigger_type type;
	enum sensor_channel chan;
};

typedef void (*sensor_trigger_handler_t)(const struct device *device, const struct sensor_trigger *trigger);

int sensor_sample_fetch(const struct device *device);
int sensor_channel_get(const struct device *device, enum sensor_channel channel, struct sensor_value *value);
int sensor_attr_set(const struct device *device, enum sensor_channel channel, enum sensor_attribute attribute,
		    const struct sensor_value *value);
int sensor_trigger_set(const struct device *device, const struct sensor_trigger *trigger,
		       sensor_trigger_handler_t handler);

#endif
