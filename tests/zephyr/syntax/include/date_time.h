/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

enum date_time_evt_type {
	DATE_TIME_OBTAINED_MODEM,
	DATE_TIME_NOT_OBTAINED,
};

struct date_time_evt {
	enum date_time_evt_type type;
};

typedef void (*date_time_evt_handler_t)(const struct date_time_evt *event);

void date_time_register_handler(date_time_evt_handler_t handler);
int date_time_now(int64_t *unix_time_ms);
