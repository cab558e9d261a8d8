/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_DRIVERS_PWM_H
#define SYNTAX_ZEPHYR_DRIVERS_PWM_H

#include <stdbool.h>
#include <stdint.h>

#include <zephyr/device.h>

struct pwm_dt_spec {
	const struct device *dev;
	uint32_t period;
};

#define PWM_DT_SPEC_GET(node) {&syntax_device, 8}

bool pwm_is_ready_dt(const struct pwm_dt_spec *pwm);
int pwm_set_pulse_dt(const struct pwm_dt_spec *pwm, uint32_t pulse);

#endif
