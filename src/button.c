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
#define STACK_SIZE 2048

static const struct gpio_dt_spec button = GPIO_DT_SPEC_GET(DT_ALIAS(sw0), gpios);
static struct gpio_callback callback;
static K_SEM_DEFINE(changes, 0, 1);

static void changed(const struct device *port, struct gpio_callback *of, gpio_port_pins_t pins)
{
	ARG_UNUSED(port);
	ARG_UNUSED(of);
	ARG_UNUSED(pins);
	k_sem_give(&changes);
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

static void wait_until_held(void)
{
	k_timeout_t timeout = K_FOREVER;

	while (k_sem_take(&changes, timeout) == 0) {
		timeout = gpio_pin_get_dt(&button) == 1 ? HOLD : K_FOREVER;
	}
}

/* Deleting writes to flash and may wait for others who do: a thread of its own, which needs neither client nor hub. */
static void run(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	for (;;) {
		wait_until_held();

		int credentials = IS_ENABLED(CONFIG_IOTHUB_BUTTON_CREDENTIALS) ? iothub_forget_credentials() : 0;
		int settings = iothub_forget_settings();

		if (credentials != 0 || settings != 0) {
			LOG_ERR("not everything could be deleted: %d; hold the button once more",
				credentials != 0 ? credentials : settings);
			/* A modem that went offline for its credentials comes back by a restart only. */
			if (!IS_ENABLED(CONFIG_IOTHUB_BUTTON_CREDENTIALS)) {
				continue;
			}
		} else {
			LOG_WRN("the button was held: the settings%s are deleted, restarting",
				IS_ENABLED(CONFIG_IOTHUB_BUTTON_CREDENTIALS) ? " and credentials" : "");
		}
		iothub_platform_reboot();
	}
}

K_THREAD_DEFINE(iothub_button, STACK_SIZE, run, NULL, NULL, NULL,
		K_PRIO_PREEMPT(CONFIG_IOTHUB_THREAD_PRIORITY), 0, 0);
