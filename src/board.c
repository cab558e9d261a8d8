/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_platform.h on Zephyr: the identity of the hardware, and the LED. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zephyr/device.h>
#include <zephyr/drivers/gpio.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/kernel.h>

#if defined(CONFIG_NRF_MODEM_LIB)
#include <nrf_modem_at.h>
#endif

#include <iothub_platform.h>

#define IMEI_LEN 15

int iothub_platform_hardware_id(char *buf, size_t len)
{
#if defined(CONFIG_NRF_MODEM_LIB)
	char answer[IMEI_LEN + 16];

	if (len < IMEI_LEN) {
		return -ENOSPC;
	}
	if (nrf_modem_at_cmd(answer, sizeof(answer), "%s", "AT+CGSN") != 0) {
		return -EIO;
	}
	memcpy(buf, answer, IMEI_LEN);
	return IMEI_LEN;
#elif defined(CONFIG_HWINFO)
	static const char digits[] = "0123456789abcdef";
	uint8_t id[16];
	ssize_t got = hwinfo_get_device_id(id, sizeof(id));

	if (got <= 0) {
		return -ENOTSUP;
	}
	if (len < 2 * (size_t)got) {
		return -ENOSPC;
	}
	for (ssize_t i = 0; i < got; i++) {
		buf[2 * i] = digits[id[i] >> 4];
		buf[2 * i + 1] = digits[id[i] & 0xf];
	}
	return 2 * (int)got;
#else
	return -ENOTSUP;
#endif
}

#if DT_NODE_HAS_STATUS(DT_ALIAS(led0), okay) && defined(CONFIG_GPIO)
void iothub_platform_led(bool on)
{
	static const struct gpio_dt_spec led = GPIO_DT_SPEC_GET(DT_ALIAS(led0), gpios);
	static bool configured;

	if (!configured) {
		configured = gpio_is_ready_dt(&led) &&
			     gpio_pin_configure_dt(&led, GPIO_OUTPUT_INACTIVE) == 0;
	}
	if (configured) {
		(void)gpio_pin_set_dt(&led, on);
	}
}
#else
void iothub_platform_led(bool on)
{
	printk("LED %s\n", on ? "on" : "off");
}
#endif
