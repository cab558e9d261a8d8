/* SPDX-License-Identifier: Apache-2.0 */
/* The time of day of NCS's date_time, on the seam that the application asks: src/include/iothub_board.h. */
#include <errno.h>
#include <date_time.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_board.h>

static date_time_evt_handler_t handler;
static unsigned int registered;
static int64_t offset;
static bool is_known;
static unsigned int told;

/* The library, played. */
void date_time_register_handler(date_time_evt_handler_t with)
{
	handler = with;
	registered++;
}

int date_time_now(int64_t *unix_time_ms)
{
	if (!is_known) {
		return -ENODATA;
	}
	*unix_time_ms = offset + k_uptime_get();
	return 0;
}

static void set(int64_t unix_time_ms)
{
	is_known = true;
	offset = unix_time_ms - k_uptime_get();
}

static void happens(enum date_time_evt_type type)
{
	handler(&(struct date_time_evt){.type = type});
}

static void on_event(unsigned int what, int32_t value)
{
	ARG_UNUSED(value);
	told += what == IOTHUB_BOARD_TIME ? 1 : 0;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	is_known = false;
	told = 0;
	iothub_board_watch(on_event);
}

ZTEST(clock, test_while_nobody_has_told_the_time_there_is_none)
{
	zassert_equal(registered, 1, "once, at the start");
	zassert_equal(iothub_board_unix_time_ms(), -ENODATA, "never the time since boot");
	happens(DATE_TIME_NOT_OBTAINED);
	zassert_equal(told, 0);
	k_sleep(K_SECONDS(5));
	zassert_equal(iothub_board_unix_time_ms(), -ENODATA);
}

ZTEST(clock, test_whoever_tells_the_time_it_is_said)
{
	static const enum date_time_evt_type sources[] = {DATE_TIME_OBTAINED_MODEM, DATE_TIME_OBTAINED_NTP, DATE_TIME_OBTAINED_EXT};

	set(1796086088642);
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++) {
		happens(sources[i]);
		zassert_equal(told, i + 1);
	}
	zassert_between_inclusive(iothub_board_unix_time_ms(), 1796086088642, 1796086088642 + 60000);
}

ZTEST(clock, test_it_goes_on_by_itself)
{
	int64_t first;

	set(1796086088642);
	first = iothub_board_unix_time_ms();
	k_sleep(K_MSEC(1500));
	zassert_true(iothub_board_unix_time_ms() - first >= 1500);
}

ZTEST(clock, test_it_may_jump_back_and_beyond_2038_and_be_lost)
{
	static const int64_t times[] = {
		2147483647000, /* the last second of 32 bits */
		2147483648000, 4102444800000, 253402300799000, 1577836800000,
		0, /* nobody has set it: the application takes it for none */
	};

	for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
		set(times[i]);
		happens(DATE_TIME_OBTAINED_NTP);
		zassert_between_inclusive(iothub_board_unix_time_ms(), times[i], times[i] + 60000, "%zu", i);
	}
	zassert_equal(told, ARRAY_SIZE(times));
	is_known = false;
	zassert_equal(iothub_board_unix_time_ms(), -ENODATA);
}

ZTEST_SUITE(clock, NULL, NULL, before, NULL, NULL);
