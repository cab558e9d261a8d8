/* SPDX-License-Identifier: Apache-2.0 */
/* What is read of sensors that work, fail, hang and lie, on the seam that the application asks: src/include/iothub_board.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zephyr/ztest.h>

#include <iothub_board.h>

#include "scripted.h"

#define TIMEOUT K_SECONDS(60)
/* Longer than what counts as one measurement. */
#define APART K_MSEC(1100)

static K_SEM_DEFINE(told, 0, 8);
static unsigned int told_what;
static unsigned int told_count;

static void on_event(unsigned int what, int32_t value)
{
	ARG_UNUSED(value);
	told_what = what;
	told_count++;
	k_sem_give(&told);
}

static void works(int32_t val1, int32_t val2)
{
	script = (struct script){.value = {val1, val2}, .channel = SENSOR_CHAN_ALL};
	k_sleep(APART);
}

ZTEST(sensors, test_values_have_the_units_of_the_seam)
{
	static const struct {
		unsigned int sensor;
		int32_t val1, val2, expected;
	} cases[] = {
		{IOTHUB_SENSOR_TEMPERATURE, 21, 530000, 21530},
		{IOTHUB_SENSOR_TEMPERATURE, -5, -250000, -5250},
		{IOTHUB_SENSOR_HUMIDITY, 40, 500000, 40500},
		{IOTHUB_SENSOR_PRESSURE, 101, 325000, 101325},
		{IOTHUB_SENSOR_GAS, 83758, 0, 83758},
		{IOTHUB_SENSOR_BATTERY_VOLTAGE, 3, 950000, 3950},
		{IOTHUB_SENSOR_BATTERY_CURRENT, 0, -120000, -120},
		{IOTHUB_SENSOR_BATTERY_TEMPERATURE, 28, 700000, 287},
		{IOTHUB_SENSOR_BATTERY_CHARGE, 71, 0, 71},
		{IOTHUB_SENSOR_TIME_TO_EMPTY, 90, 0, 5400},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int32_t value = INT_MIN;

		works(cases[i].val1, cases[i].val2);
		zassert_ok(iothub_board_sensor_read(cases[i].sensor, &value), "sensor %u", cases[i].sensor);
		zassert_equal(value, cases[i].expected, "sensor %u: %d", cases[i].sensor, value);
	}
}

ZTEST(sensors, test_what_is_read_at_once_is_one_measurement)
{
	unsigned int before;
	int32_t value;

	works(20, 0);
	before = fetches;
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value));
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_HUMIDITY, &value));
	zassert_equal(fetches - before, 1);
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_BATTERY_VOLTAGE, &value));
	zassert_equal(fetches - before, 2, "another sensor is another measurement");
}

ZTEST(sensors, test_what_a_board_has_not_is_missing)
{
	int32_t value;

	works(1, 0);
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_LIGHT, &value), -ENOTSUP);
	script.channel = SENSOR_CHAN_AMBIENT_TEMP;
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value));
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_GAS, &value), -ENOTSUP, "a BME280 measures no gas");
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_LATITUDE, &value), -ENOTSUP);
	zassert_equal(iothub_board_locate(IOTHUB_LOCATE_GNSS, 1000), -ENOTSUP);
}

ZTEST(sensors, test_a_sensor_that_fails_is_asked_anew)
{
	int32_t value = 7;

	works(20, 0);
	script.fetch_result = -EIO;
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value), -EIO);
	zassert_equal(value, 7, "nothing is written");
	script.fetch_result = 0;
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value));
	zassert_equal(value, 20000);
}

ZTEST(sensors, test_numbers_that_cannot_be_are_refused)
{
	static const struct sensor_value values[] = {
		{INT32_MAX, 0}, {INT32_MIN, 0}, {2147484, 0}, {0, 1000000}, {0, INT32_MIN},
	};
	int32_t value = 7;

	for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
		works(values[i].val1, values[i].val2);
		zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value), -ERANGE, "%zu", i);
	}
	zassert_equal(value, 7);
}

ZTEST(sensors, test_a_sensor_that_hangs_holds_nobody)
{
	int64_t before;
	int32_t value = 7;

	works(20, 0);
	script.hangs = true;
	before = k_uptime_get();
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value), -ETIMEDOUT);
	zassert_true(k_uptime_get() - before >= 200);
	before = k_uptime_get();
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_HUMIDITY, &value), -EBUSY);
	zassert_equal(iothub_board_sensor_read(IOTHUB_SENSOR_BATTERY_VOLTAGE, &value), -EBUSY);
	zassert_true(k_uptime_get() - before < 200, "it is not waited for again");

	/* What it says at last is nobody's. */
	script.hangs = false;
	script.value = (struct sensor_value){99, 0};
	k_sem_give(&release);
	works(21, 0);
	zassert_ok(iothub_board_sensor_read(IOTHUB_SENSOR_TEMPERATURE, &value));
	zassert_equal(value, 21000);
}

ZTEST(sensors, test_movement_and_stillness_are_told)
{
	iothub_board_watch(on_event);
	zassert_ok(iothub_board_motion_set(10500, 5200, 300));
	zassert_equal(upper.val1, 10);
	zassert_equal(upper.val2, 500000);
	zassert_equal(lower.val1, 5);
	zassert_equal(lower.val2, 200000);
	/* Set anew, nobody is told twice. */
	zassert_ok(iothub_board_motion_set(10500, 5200, 300));

	told_count = 0;
	scripted_trigger(SENSOR_TRIG_THRESHOLD);
	zassert_ok(k_sem_take(&told, TIMEOUT));
	zassert_equal(told_what, IOTHUB_BOARD_MOVING);
	zassert_ok(k_sem_take(&told, TIMEOUT));
	zassert_equal(told_what, IOTHUB_BOARD_STILL, "after the time that was set");
	zassert_equal(told_count, 2);
	zassert_not_equal(k_sem_take(&told, K_MSEC(1000)), 0);
}

ZTEST(sensors, test_the_board_has_a_name_and_the_time_of_day)
{
	char name[64];
	int length = iothub_board_name(name, sizeof(name));

	zassert_equal(length, strlen(CONFIG_BOARD));
	zassert_mem_equal(name, CONFIG_BOARD, length);
	zassert_equal(iothub_board_name(name, length - 1), -ENOSPC);
	/* 2026. */
	zassert_true(iothub_board_unix_time_ms() > 1767225600000);
}

ZTEST_SUITE(sensors, NULL, NULL, NULL, NULL, NULL);
