/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

struct device;
typedef void (*task_wdt_callback_t)(int channel_id, void *user_data);

int task_wdt_init(const struct device *hw_wdt);
int task_wdt_add(uint32_t reload_period, task_wdt_callback_t callback, void *user_data);
int task_wdt_delete(int channel_id);
int task_wdt_feed(int channel_id);
