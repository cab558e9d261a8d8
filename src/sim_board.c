/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iothub_board.h: the board that the world of --world=FILE is around, in place of clock, sensors, movement and position of a real
 * one. Without a world it has nothing but the host's time.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <native_rtc.h>

#include <iothub_board.h>
#include <iothub_sim_modem.h>

#include "board_events.h"
#include "sim_play.h"
#include "sim_world.h"

/* How often it is looked whether something has happened. */
#define LOOK K_MSEC(50)
/* So long satellites take to be found, in the world's time. */
#define FIX_MS 3000

static K_MUTEX_DEFINE(lock);
/* The world as it was where the position was found last. */
static struct sim_word found[SIM_WORLD_WORDS];
static bool is_found;

static atomic_t searching;
static int64_t begun;
static int64_t timeout;

static void look(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(looking, look);

static int search(const struct sim_word *now)
{
	int64_t for_ms = now[SIM_WORLD_SINCE].value - begun;

	if (now[SIM_WORLD_SKY].value != 0 && for_ms >= MIN(FIX_MS, timeout)) {
		(void)k_mutex_lock(&lock, K_FOREVER);
		memcpy(found, now, sizeof(found));
		is_found = true;
		(void)k_mutex_unlock(&lock);
		return 0;
	}
	return for_ms >= timeout ? -ETIMEDOUT : -EBUSY;
}

static void look(struct k_work *work)
{
	static bool was_time_known, was_covered = true, was_moving;
	struct sim_word now[SIM_WORLD_WORDS];

	ARG_UNUSED(work);
	(void)k_work_schedule(&looking, LOOK);
	if (sim_world_read(now) != 0) {
		return;
	}
	if (was_time_known != (now[SIM_WORLD_TIME].err == 0)) {
		was_time_known = !was_time_known;
		iothub_board_tell(IOTHUB_BOARD_TIME, 0);
	}
	if (was_covered != (now[SIM_WORLD_COVERED].value != 0)) {
		was_covered = !was_covered;
		sim_modem_cover(was_covered);
	}
	if (was_moving != (now[SIM_WORLD_MOVES].value != 0)) {
		was_moving = !was_moving;
		iothub_board_tell(was_moving ? IOTHUB_BOARD_MOVING : IOTHUB_BOARD_STILL, 0);
	}
	if (atomic_get(&searching) != 0) {
		int err = search(now);

		if (err != -EBUSY) {
			atomic_set(&searching, 0);
			iothub_board_tell(IOTHUB_BOARD_LOCATED, err);
		}
	}
}

static int begin(void)
{
	if (iothub_sim_option_world() != NULL) {
		(void)k_work_schedule(&looking, K_NO_WAIT);
	}
	return 0;
}

SYS_INIT(begin, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

int64_t iothub_board_unix_time_ms(void)
{
	struct sim_word now[SIM_WORLD_WORDS];

	if (iothub_sim_option_world() == NULL) {
		return native_rtc_gettime_us(RTC_CLOCK_PSEUDOHOSTREALTIME) / USEC_PER_MSEC;
	}
	return sim_world_read(now) != 0 || now[SIM_WORLD_TIME].err != 0 ? -ENODATA : now[SIM_WORLD_TIME].value;
}

static int read_position(const struct sim_word *now, unsigned int sensor, int32_t *value)
{
	if (!is_found) {
		return -ENODATA;
	}
	if (sensor == IOTHUB_SENSOR_FIX_AGE) {
		*value = (int32_t)MIN(now[SIM_WORLD_SINCE].value - found[SIM_WORLD_SINCE].value, INT32_MAX);
		return 0;
	}
	*value = (int32_t)found[SIM_WORLD_SENSORS + sensor].value;
	return now[SIM_WORLD_SENSORS + sensor].err;
}

int iothub_board_sensor_read(unsigned int sensor, int32_t *value)
{
	struct sim_word now[SIM_WORLD_WORDS];
	int err = sim_world_read(now);

	if (err != 0) {
		return err;
	}
	if (sensor > IOTHUB_SENSOR_FIX_AGE) {
		return -EINVAL;
	}
	if (sensor < IOTHUB_SENSOR_LATITUDE) {
		*value = (int32_t)now[SIM_WORLD_SENSORS + sensor].value;
		return now[SIM_WORLD_SENSORS + sensor].err;
	}
	(void)k_mutex_lock(&lock, K_FOREVER);
	err = read_position(now, sensor, value);
	(void)k_mutex_unlock(&lock);
	return err;
}

int iothub_board_motion_set(uint32_t active, uint32_t inactive, uint32_t still_ms)
{
	ARG_UNUSED(active);
	ARG_UNUSED(inactive);
	ARG_UNUSED(still_ms);
	return iothub_sim_option_world() == NULL ? -ENOTSUP : 0;
}

int iothub_board_locate(unsigned int wanted, uint32_t timeout_ms)
{
	struct sim_word now[SIM_WORLD_WORDS];
	int err = sim_world_read(now);

	if (err != 0 || (wanted & IOTHUB_LOCATE_GNSS) == 0) {
		return err != 0 ? err : -ENOTSUP;
	}
	if (atomic_get(&searching) != 0) {
		return -EBUSY;
	}
	begun = now[SIM_WORLD_SINCE].value;
	timeout = timeout_ms;
	atomic_set(&searching, 1);
	return 0;
}

/* Cells, access points and assistance data are not played. */
int iothub_board_search_read(unsigned int what, unsigned int index, int64_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(index);
	ARG_UNUSED(value);
	return -ENOENT;
}

int iothub_board_assist(unsigned int kind, const void *data, size_t len)
{
	ARG_UNUSED(kind);
	ARG_UNUSED(data);
	ARG_UNUSED(len);
	return -ENOTSUP;
}

int iothub_board_buzz(uint32_t duration_ms)
{
	ARG_UNUSED(duration_ms);
	return -ENOTSUP;
}
