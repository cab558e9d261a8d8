/* SPDX-License-Identifier: Apache-2.0 */
/* The board's first button, held for 5 s: forgets the settings and the DPS assignment, and restarts. */
#include <errno.h>
#include <zephyr/device.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>

#include <iothub_platform.h>

#include "forget.h"

LOG_MODULE_REGISTER(iothub_button, LOG_LEVEL_INF);

#define HOLD K_SECONDS(5)

static const struct gpio_dt_spec button = GPIO_DT_SPEC_GET(DT_ALIAS(sw0), gpios);
static struct gpio_callback callback;

static void held(struct k_work *work)
{
	int err;

	ARG_UNUSED(work);
	if (gpio_pin_get_dt(&button) != 1) {
		return;
	}
	err = iothub_forget_settings();
	if (err != 0) {
		LOG_ERR("the settings cannot be deleted: %d", err);
		return;
	}
	LOG_WRN("the button was held: the settings are deleted, restarting");
	iothub_platform_reboot();
}

static K_WORK_DELAYABLE_DEFINE(hold, held);

static void changed(const struct device *port, struct gpio_callback *of, gpio_port_pins_t pins)
{
	ARG_UNUSED(port);
	ARG_UNUSED(of);
	ARG_UNUSED(pins);
	if (gpio_pin_get_dt(&button) == 1) {
		(void)k_work_reschedule(&hold, HOLD);
	} else {
		(void)k_work_cancel_delayable(&hold);
	}
}

static int watch(void)
{
	int err;

	if (!gpio_is_ready_dt(&button)) {
		LOG_ERR("the button's port is not ready");
		return -ENODEV;
	}
	err = gpio_pin_configure_dt(&button, GPIO_INPUT);
	if (err == 0) {
		err = gpio_pin_interrupt_configure_dt(&button, GPIO_INT_EDGE_BOTH);
	}
	if (err != 0) {
		LOG_ERR("the button cannot be watched: %d", err);
		return err;
	}
	gpio_init_callback(&callback, changed, BIT(button.pin));
	return gpio_add_callback(button.port, &callback);
}

SYS_INIT(watch, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);
