/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of iothub_platform.h as Zephyr has them, with the settings in FCB or in NVS. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>

#include "forget.h"

#define LONG_MS 60000

static K_SEM_DEFINE(entered, 0, 1);
static K_SEM_DEFINE(go_on, 0, 1);
static char name_of_driver[CONFIG_THREAD_MAX_NAME_LEN];

static void entry(void)
{
	(void)k_thread_name_copy(k_current_get(), name_of_driver, sizeof(name_of_driver));
	k_sem_give(&entered);
	(void)k_sem_take(&go_on, K_FOREVER);
	iothub_platform_lock();
	iothub_platform_unlock();
	k_sem_give(&entered);
}

ZTEST(platform, test_a_wake_before_the_wait_is_not_lost)
{
	int64_t before = iothub_platform_uptime_ms();

	iothub_platform_wake(IOTHUB_WAITER_DRIVER);
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, before + LONG_MS);
	zassert_true(iothub_platform_uptime_ms() < before + LONG_MS);
}

ZTEST(platform, test_several_wakes_count_as_one)
{
	int64_t deadline;

	iothub_platform_wake(IOTHUB_WAITER_APPLICATION);
	iothub_platform_wake(IOTHUB_WAITER_APPLICATION);
	iothub_platform_wait(IOTHUB_WAITER_APPLICATION, IOTHUB_FOREVER);
	deadline = iothub_platform_uptime_ms() + 30;
	iothub_platform_wait(IOTHUB_WAITER_APPLICATION, deadline);
	zassert_true(iothub_platform_uptime_ms() >= deadline, "the second wake was still there");
}

ZTEST(platform, test_each_waiter_has_a_flag_of_its_own)
{
	int64_t deadline = iothub_platform_uptime_ms() + 30;

	iothub_platform_wake(IOTHUB_WAITER_APPLICATION);
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, deadline);
	zassert_true(iothub_platform_uptime_ms() >= deadline);
	iothub_platform_wait(IOTHUB_WAITER_APPLICATION, IOTHUB_FOREVER);
}

ZTEST(platform, test_a_deadline_in_the_past_does_not_wait)
{
	iothub_platform_wait(IOTHUB_WAITER_DRIVER, 0);
}

ZTEST(platform, test_the_driver_is_one_thread_that_the_lock_keeps_out)
{
	zassert_ok(iothub_platform_thread_start(entry));
	zassert_equal(iothub_platform_thread_start(entry), -EALREADY);
	zassert_ok(k_sem_take(&entered, K_MSEC(LONG_MS)));
	zassert_str_equal(name_of_driver, "iothub");

	iothub_platform_lock();
	k_sem_give(&go_on);
	zassert_equal(k_sem_take(&entered, K_MSEC(50)), -EAGAIN, "the lock kept nobody out");
	iothub_platform_unlock();
	zassert_ok(k_sem_take(&entered, K_MSEC(LONG_MS)));
}

ZTEST(platform, test_a_setting_comes_back_as_it_was_written_last)
{
	char value[16];
	size_t length = sizeof(value);

	zassert_ok(iothub_platform_settings_set("iothub/hostname", "first", 5));
	zassert_ok(iothub_platform_settings_set("iothub/hostname", "the second", 10));
	zassert_ok(iothub_platform_settings_get("iothub/hostname", value, &length));
	zassert_equal(length, 10);
	zassert_mem_equal(value, "the second", 10);
}

ZTEST(platform, test_a_key_below_another_is_another_setting)
{
	char value[16];
	size_t length = sizeof(value);

	zassert_ok(iothub_platform_settings_set("iothub/dps/assigned_hub", "h", 1));
	zassert_equal(iothub_platform_settings_get("iothub/dps", value, &length), -ENOENT);
}

/* NVS hands out the newest first, FCB the oldest: one that has to come before the other is not found in one of them. */
ZTEST(platform, test_an_assignment_is_read_in_whatever_order_it_was_written)
{
	static const char *const keys[] = {"iothub/dps/assigned_hub", "iothub/dps/assigned_device_id"};

	for (size_t newest = 0; newest < ARRAY_SIZE(keys); newest++) {
		ARRAY_FOR_EACH(keys, i) {
			zassert_ok(iothub_platform_settings_set(keys[i], NULL, 0));
		}
		zassert_ok(iothub_platform_settings_set(keys[1 - newest], keys[1 - newest], 10 + newest));
		zassert_ok(iothub_platform_settings_set(keys[newest], keys[newest], 20 + newest));
		for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
			const size_t expected = (i == newest ? 20 : 10) + newest;
			char value[32];
			size_t length = sizeof(value);

			zassert_ok(iothub_platform_settings_get(keys[i], value, &length));
			zassert_equal(length, expected);
			zassert_mem_equal(value, keys[i], expected);
		}
	}
}

ZTEST(platform, test_too_little_room_says_how_much_is_needed)
{
	char value[4];
	size_t length = sizeof(value);

	zassert_ok(iothub_platform_settings_set("iothub/device_id", "thingy-91", 9));
	zassert_equal(iothub_platform_settings_get("iothub/device_id", value, &length), -ENOSPC);
	zassert_equal(length, 9);
}

ZTEST(platform, test_a_deleted_setting_is_none)
{
	char value[16];
	size_t length = sizeof(value);

	zassert_ok(iothub_platform_settings_set("iothub/device_id", "thingy", 6));
	zassert_ok(iothub_platform_settings_set("iothub/device_id", NULL, 0));
	zassert_equal(iothub_platform_settings_get("iothub/device_id", value, &length), -ENOENT);
}

ZTEST(platform, test_forgetting_takes_settings_and_assignment)
{
	static const char *const keys[] = {
		"iothub/hostname",
		"iothub/dps/id_scope",
		"iothub/fota/trial_s",
		"iothub/dps/assigned_hub",
		"iothub/dps/assigned_device_id",
	};
	char value[16];

	ARRAY_FOR_EACH(keys, i) {
		zassert_ok(iothub_platform_settings_set(keys[i], "x", 1));
	}
	zassert_ok(iothub_forget_settings());
	ARRAY_FOR_EACH(keys, i) {
		size_t length = sizeof(value);

		zassert_equal(iothub_platform_settings_get(keys[i], value, &length), -ENOENT, "%s",
			      keys[i]);
	}
}

ZTEST(platform, test_a_full_store_is_an_error)
{
	static uint8_t large[200];
	char key[] = "iothub/fill/00";
	int err = 0;

	for (int i = 0; i < 100 && err == 0; i++) {
		key[sizeof(key) - 3] = '0' + i / 10;
		key[sizeof(key) - 2] = '0' + i % 10;
		err = iothub_platform_settings_set(key, large, sizeof(large));
	}
	zassert_equal(err, -ENOSPC);
	for (int i = 0; i < 100; i++) {
		key[sizeof(key) - 3] = '0' + i / 10;
		key[sizeof(key) - 2] = '0' + i % 10;
		(void)iothub_platform_settings_set(key, NULL, 0);
	}
}

ZTEST(platform, test_random_bytes_are_not_all_the_same)
{
	uint8_t bytes[32] = {0};

	iothub_platform_random(bytes, sizeof(bytes));
	for (size_t i = 1; i < sizeof(bytes); i++) {
		if (bytes[i] != bytes[0]) {
			return;
		}
	}
	zassert_unreachable("32 equal bytes");
}

ZTEST_SUITE(platform, NULL, NULL, NULL, NULL, NULL);
