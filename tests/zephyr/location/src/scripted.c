/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <zephyr/sys/util.h>

#include "scripted.h"

/* The library's own defaults, which are not what the application wants. */
#define DEFAULT_TIMEOUT_MS 300000
#define DEFAULT_CELLS 4

struct script script;
struct asked asked;
static location_event_handler_t handler;

void scripted_event(const struct location_event_data *event)
{
	handler(event);
}

int location_init(location_event_handler_t with)
{
	asked.inits++;
	if (script.init_result == 0) {
		handler = with;
	}
	return script.init_result;
}

void location_config_defaults_set(struct location_config *config, uint8_t count, enum location_method *methods)
{
	memset(config, 0, sizeof(*config));
	config->methods_count = count;
	config->timeout = DEFAULT_TIMEOUT_MS;
	for (uint8_t i = 0; i < count; i++) {
		config->methods[i].method = methods[i];
		if (methods[i] == LOCATION_METHOD_CELLULAR) {
			config->methods[i].cellular.cell_count = DEFAULT_CELLS;
		}
	}
}

int location_request(const struct location_config *config)
{
	if (handler == NULL) {
		return -EPERM;
	}
	asked.requests++;
	asked.config = *config;
	return script.request_result;
}

void location_cloud_location_ext_result_set(enum location_ext_result result, struct location_data *location)
{
	ARG_UNUSED(location);
	asked.results++;
	asked.result = result;
}

static int process(const char *data, size_t len, bool is_pgps)
{
	asked.len = MIN(len, sizeof(asked.data));
	memcpy(asked.data, data, asked.len);
	asked.is_pgps = is_pgps;
	return script.process_result;
}

int location_agnss_data_process(const char *data, size_t len)
{
	return process(data, len, false);
}

int location_pgps_data_process(const char *data, size_t len)
{
	return process(data, len, true);
}
