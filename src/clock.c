/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_board.h: the time of day. On an nRF91 NCS's date_time has it of the network or of NTP, in a simulation the host. */
#include <errno.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>

#include <iothub_board.h>

#include "board_events.h"

#if defined(CONFIG_DATE_TIME)
#include <date_time.h>

static void on_time(const struct date_time_evt *event)
{
	if (event->type != DATE_TIME_NOT_OBTAINED) {
		iothub_board_tell(IOTHUB_BOARD_TIME, 0);
	}
}

static int watch_time(void)
{
	date_time_register_handler(on_time);
	return 0;
}

SYS_INIT(watch_time, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

int64_t iothub_board_unix_time_ms(void)
{
	int64_t now;

	return date_time_now(&now) == 0 ? now : -ENODATA;
}
#elif defined(CONFIG_ARCH_POSIX)
#include <native_rtc.h>

int64_t iothub_board_unix_time_ms(void)
{
	return native_rtc_gettime_us(RTC_CLOCK_PSEUDOHOSTREALTIME) / USEC_PER_MSEC;
}
#elif defined(CONFIG_SEMIHOST)
#include <zephyr/arch/common/semihost.h>

/* The host tells whole seconds: what is behind them comes of the uptime since the first time it was asked. */
int64_t iothub_board_unix_time_ms(void)
{
	static int64_t boot;

	if (boot == 0) {
		boot = (int64_t)(uint32_t)semihost_exec(SEMIHOST_TIME, NULL) * MSEC_PER_SEC - k_uptime_get();
	}
	return boot + k_uptime_get();
}
#else
int64_t iothub_board_unix_time_ms(void)
{
	return -ENODATA;
}
#endif
