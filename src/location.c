/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_board.h: the position, by NCS's location library; without it there is none. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>

#include <iothub_board.h>

#include "board_events.h"

#if defined(CONFIG_LOCATION)
#include <modem/location.h>

#define VALUES (IOTHUB_SENSOR_HEADING - IOTHUB_SENSOR_LATITUDE + 1)

static K_MUTEX_DEFINE(lock);
static struct {
	int32_t values[VALUES];
	bool is_there;
	bool has_heading;
	int64_t at;
} last;
static atomic_t searching;

/* NaN compares with nothing, and so is out of range. */
static int scaled(double value, double scale, int32_t *to)
{
	double number = value * scale;

	if (!(number > INT32_MIN && number < INT32_MAX)) {
		return -ERANGE;
	}
	*to = (int32_t)(number < 0 ? number - 0.5 : number + 0.5);
	return 0;
}

static int take(const struct location_data *data)
{
	int32_t values[VALUES] = {0};
	bool has_heading = false;
	int err = scaled(data->latitude, 1e7, &values[0]);

	if (err == 0) {
		err = scaled(data->longitude, 1e7, &values[1]);
	}
	if (err == 0) {
		err = scaled(data->accuracy, 10, &values[2]);
	}
#if defined(CONFIG_LOCATION_METHOD_GNSS) && defined(CONFIG_LOCATION_DATA_DETAILS)
	if (err == 0) {
		const struct nrf_modem_gnss_pvt_data_frame *pvt = &data->details.gnss.pvt_data;

		err = scaled(pvt->altitude, 10, &values[3]);
		if (err == 0) {
			err = scaled(pvt->speed, 100, &values[4]);
		}
		has_heading = (pvt->flags & NRF_MODEM_GNSS_PVT_FLAG_VELOCITY_VALID) != 0 &&
			      scaled(pvt->heading, 100, &values[5]) == 0;
	}
#endif
	if (err != 0) {
		return err;
	}
	(void)k_mutex_lock(&lock, K_FOREVER);
	memcpy(last.values, values, sizeof(values));
	last.is_there = true;
	last.has_heading = has_heading;
	last.at = k_uptime_get();
	(void)k_mutex_unlock(&lock);
	return 0;
}

static void end(int result)
{
	if (atomic_cas(&searching, 1, 0)) {
		iothub_board_tell(IOTHUB_BOARD_LOCATED, result);
	}
}

static void on_location(const struct location_event_data *event)
{
	switch (event->id) {
	case LOCATION_EVT_LOCATION:
		end(take(&event->location));
		break;
	case LOCATION_EVT_TIMEOUT:
	case LOCATION_EVT_RESULT_UNKNOWN:
		end(-ETIMEDOUT);
		break;
	case LOCATION_EVT_ERROR:
		end(-EIO);
		break;
	default:
		break;
	}
}

int iothub_board_locate(uint32_t timeout_ms)
{
	static enum location_method methods[] = {LOCATION_METHOD_GNSS};
	static bool initialised;
	struct location_config config;
	int err = 0;

	if (!atomic_cas(&searching, 0, 1)) {
		return -EBUSY;
	}
	if (!initialised) {
		err = location_init(on_location);
		initialised = err == 0;
	}
	if (err == 0) {
		location_config_defaults_set(&config, ARRAY_SIZE(methods), methods);
		config.timeout = (int32_t)MIN(timeout_ms, INT32_MAX);
		config.methods[0].gnss.timeout = config.timeout;
		err = location_request(&config);
	}
	if (err != 0) {
		atomic_set(&searching, 0);
	}
	return err;
}

int iothub_location_read(unsigned int sensor, int32_t *value)
{
	int err = 0;

	if (sensor > IOTHUB_SENSOR_FIX_AGE) {
		return -EINVAL;
	}
	(void)k_mutex_lock(&lock, K_FOREVER);
	if (!last.is_there) {
		err = -ENODATA;
	} else if (sensor == IOTHUB_SENSOR_FIX_AGE) {
		*value = (int32_t)MIN(k_uptime_get() - last.at, INT32_MAX);
	} else if (sensor == IOTHUB_SENSOR_HEADING && !last.has_heading) {
		err = -ENOTSUP;
	} else {
		*value = last.values[sensor - IOTHUB_SENSOR_LATITUDE];
	}
	(void)k_mutex_unlock(&lock);
	return err;
}
#else
int iothub_board_locate(uint32_t timeout_ms)
{
	ARG_UNUSED(timeout_ms);
	return -ENOTSUP;
}

int iothub_location_read(unsigned int sensor, int32_t *value)
{
	ARG_UNUSED(sensor);
	ARG_UNUSED(value);
	return -ENOTSUP;
}
#endif
