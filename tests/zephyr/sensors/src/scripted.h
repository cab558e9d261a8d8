/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SCRIPTED_H
#define SCRIPTED_H

#include <zephyr/drivers/sensor.h>
#include <zephyr/kernel.h>

/* What every scripted sensor does from now on. */
struct script {
	struct sensor_value value;
	/* Of the channels there are this one only, unless it is SENSOR_CHAN_ALL. */
	enum sensor_channel channel;
	int fetch_result;
	/* Fetching waits for the semaphore `release`. */
	bool hangs;
};

extern struct script script;
extern struct k_sem release;
/* How often something was fetched. */
extern unsigned int fetches;
/* What was set last. */
extern struct sensor_value upper, lower;

/* As the accelerometer's interrupt does. */
void scripted_trigger(enum sensor_trigger_type type);

#endif
