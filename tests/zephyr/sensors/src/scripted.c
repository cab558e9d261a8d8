/* SPDX-License-Identifier: Apache-2.0 */
/* The driver of the scripted sensors. */
#define DT_DRV_COMPAT iothub_scripted_sensor

#include <errno.h>
#include <zephyr/device.h>

#include "scripted.h"

#define TRIGGERS 4

struct script script;
unsigned int fetches;
struct sensor_value upper, lower;
K_SEM_DEFINE(release, 0, 1);

static struct {
	const struct device *device;
	const struct sensor_trigger *trigger;
	sensor_trigger_handler_t handler;
} triggers[TRIGGERS];

static int fetch(const struct device *device, enum sensor_channel channel)
{
	ARG_UNUSED(device);
	ARG_UNUSED(channel);
	fetches++;
	if (script.hangs) {
		(void)k_sem_take(&release, K_FOREVER);
	}
	return script.fetch_result;
}

static int get(const struct device *device, enum sensor_channel channel, struct sensor_value *value)
{
	ARG_UNUSED(device);
	if (script.channel != SENSOR_CHAN_ALL && script.channel != channel) {
		return -ENOTSUP;
	}
	*value = script.value;
	return 0;
}

static int set(const struct device *device, enum sensor_channel channel, enum sensor_attribute attribute,
	       const struct sensor_value *value)
{
	ARG_UNUSED(device);
	ARG_UNUSED(channel);
	switch (attribute) {
	case SENSOR_ATTR_UPPER_THRESH:
		upper = *value;
		return 0;
	case SENSOR_ATTR_LOWER_THRESH:
		lower = *value;
		return 0;
	default:
		return -ENOTSUP;
	}
}

static int watch(const struct device *device, const struct sensor_trigger *trigger, sensor_trigger_handler_t handler)
{
	for (size_t i = 0; i < TRIGGERS; i++) {
		if (triggers[i].handler == NULL || triggers[i].trigger == trigger) {
			triggers[i].device = device;
			triggers[i].trigger = trigger;
			triggers[i].handler = handler;
			return 0;
		}
	}
	return -ENOMEM;
}

void scripted_trigger(enum sensor_trigger_type type)
{
	for (size_t i = 0; i < TRIGGERS; i++) {
		if (triggers[i].handler != NULL && triggers[i].trigger->type == type) {
			triggers[i].handler(triggers[i].device, triggers[i].trigger);
		}
	}
}

static const struct sensor_driver_api api = {
	.sample_fetch = fetch,
	.channel_get = get,
	.attr_set = set,
	.trigger_set = watch,
};

#define SCRIPTED(instance) \
	DEVICE_DT_INST_DEFINE(instance, NULL, NULL, NULL, NULL, POST_KERNEL, CONFIG_SENSOR_INIT_PRIORITY, &api);

DT_INST_FOREACH_STATUS_OKAY(SCRIPTED)
