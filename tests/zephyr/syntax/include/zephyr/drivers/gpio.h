/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_DRIVERS_GPIO_H
#define SYNTAX_ZEPHYR_DRIVERS_GPIO_H

#include <stdbool.h>
#include <stdint.h>

#include <zephyr/device.h>

typedef uint32_t gpio_port_pins_t;
typedef uint32_t gpio_flags_t;

struct gpio_dt_spec {
	const struct device *port;
	uint8_t pin;
};

#define GPIO_DT_SPEC_GET(node, property) {0}
#define GPIO_INPUT 1
#define GPIO_OUTPUT_INACTIVE 2
#define GPIO_INT_EDGE_BOTH 4

struct gpio_callback;
typedef void (*gpio_callback_handler_t)(const struct device *port, struct gpio_callback *callback,
					gpio_port_pins_t pins);

struct gpio_callback {
	gpio_callback_handler_t handler;
};

bool gpio_is_ready_dt(const struct gpio_dt_spec *pin);
int gpio_pin_configure_dt(const struct gpio_dt_spec *pin, gpio_flags_t flags);
int gpio_pin_interrupt_configure_dt(const struct gpio_dt_spec *pin, gpio_flags_t flags);
int gpio_pin_get_dt(const struct gpio_dt_spec *pin);
int gpio_pin_set_dt(const struct gpio_dt_spec *pin, int value);
void gpio_init_callback(struct gpio_callback *callback, gpio_callback_handler_t handler, gpio_port_pins_t pins);
int gpio_add_callback(const struct device *port, struct gpio_callback *callback);

#endif
