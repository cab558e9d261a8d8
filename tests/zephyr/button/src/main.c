/* SPDX-License-Identifier: Apache-2.0 */
/* The button, pressed by the test, with the settings in FCB: what is deleted, when, and on which thread. */
#include <errno.h>
#include <string.h>
#include <zephyr/drivers/gpio/gpio_emul.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>

#include "credentials.h"
#include "forget.h"

#define HOLD_MS 5000
#define TIMEOUT K_SECONDS(60)
#define STACK_RESERVE 256

int __real_iothub_forget_settings(void);
int __wrap_iothub_forget_settings(void);

static const struct gpio_dt_spec button = GPIO_DT_SPEC_GET(DT_ALIAS(sw0), gpios);
static K_SEM_DEFINE(restarted, 0, 1);
static K_SEM_DEFINE(failed, 0, 1);
static K_SEM_DEFINE(queue_went_on, 0, 1);
static unsigned int asked;
static int fails_with;
static int64_t deleted_at;
static bool queue_was_free;
static char deleted_on[CONFIG_THREAD_MAX_NAME_LEN];
static size_t stack_left;

static void go_on(struct k_work *work)
{
	ARG_UNUSED(work);
	k_sem_give(&queue_went_on);
}

static K_WORK_DEFINE(other_work, go_on);

int __wrap_iothub_forget_settings(void)
{
	asked++;
	deleted_at = k_uptime_get();
	(void)k_thread_name_copy(k_current_get(), deleted_on, sizeof(deleted_on));
	(void)k_work_submit(&other_work);
	queue_was_free = k_sem_take(&queue_went_on, TIMEOUT) == 0;
	if (fails_with != 0) {
		int err = fails_with;

		fails_with = 0;
		k_sem_give(&failed);
		return err;
	}
	return __real_iothub_forget_settings();
}

void iothub_platform_reboot(void)
{
	(void)k_thread_stack_space_get(k_current_get(), &stack_left);
	k_sem_give(&restarted);
}

static void set(int level)
{
	zassert_ok(gpio_emul_input_set(button.port, button.pin, level));
}

static bool is_there(const char *key)
{
	char value[32];
	size_t len = sizeof(value);

	return iothub_platform_settings_get(key, value, &len) == 0;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	asked = 0;
	set(0);
#if defined(CONFIG_IOTHUB_BUTTON_CREDENTIALS)
	provision();
#endif
	zassert_ok(iothub_platform_settings_set("iothub/hostname", "hub.example", 11));
	zassert_ok(iothub_platform_settings_set("iothub/dps/assigned_hub", "hub.example", 11));
	zassert_ok(iothub_platform_settings_set("app/own", "x", 1));
}

ZTEST(button, test_held_it_deletes_what_overrides_the_build_and_restarts)
{
	set(1);
	zassert_ok(k_sem_take(&restarted, TIMEOUT));
	zassert_false(is_there("iothub/hostname"));
	zassert_false(is_there("iothub/dps/assigned_hub"));
	zassert_true(is_there("app/own"), "a setting of somebody else is deleted");
#if defined(CONFIG_IOTHUB_BUTTON_CREDENTIALS)
	zassert_false(device_has_key(), "the modem holds its key yet");
#endif
}

ZTEST(button, test_it_deletes_on_a_thread_of_its_own_while_the_system_work_queue_goes_on)
{
	set(1);
	zassert_ok(k_sem_take(&restarted, TIMEOUT));
	zassert_str_equal(deleted_on, "iothub_button");
	zassert_true(queue_was_free, "the system work queue waits for the flash");
}

ZTEST(button, test_five_seconds_count_from_the_last_press)
{
	int64_t pressed_at;

	set(1);
	(void)k_msleep(HOLD_MS / 5);
	set(0);
	(void)k_msleep(1);
	pressed_at = k_uptime_get();
	set(1);
	zassert_ok(k_sem_take(&restarted, TIMEOUT));
	zassert_true(deleted_at - pressed_at >= HOLD_MS, "after %lld ms", deleted_at - pressed_at);
}

#if !defined(CONFIG_IOTHUB_BUTTON_CREDENTIALS)
ZTEST(button, test_settings_that_cannot_be_deleted_do_not_restart_and_the_next_press_tries_again)
{
	fails_with = -EIO;
	set(1);
	zassert_ok(k_sem_take(&failed, TIMEOUT));
	set(0);
	set(1);
	zassert_ok(k_sem_take(&restarted, TIMEOUT));
	zassert_equal(asked, 2);
}
#endif

ZTEST(button, test_the_stack_is_large_enough)
{
	set(1);
	zassert_ok(k_sem_take(&restarted, TIMEOUT));
	TC_PRINT("left of the stack: %zu\n", stack_left);
	zassert_true(stack_left >= STACK_RESERVE, "%zu bytes are left", stack_left);
}

ZTEST_SUITE(button, NULL, NULL, before, NULL, NULL);
