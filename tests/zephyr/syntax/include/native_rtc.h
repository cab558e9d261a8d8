/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#define RTC_CLOCK_PSEUDOHOSTREALTIME 2

uint64_t native_rtc_gettime_us(int clock);
