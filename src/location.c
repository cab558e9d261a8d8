/* SPDX-License-Identifier: Apache-2.0 */
/*
 * iothub_board.h: the position, by NCS's location library; without it there is none. What the library finds of cells and access
 * points, and the assistance data that satellites are found faster with, are a back end's business.
 */
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

#if defined(CONFIG_LOCATION_SERVICE_EXTERNAL)
#if defined(CONFIG_IOTHUB_SURVEY) && defined(CONFIG_LOCATION_METHOD_CELLULAR)
#define CELLS 6 /* with the one that the modem is in */

struct cell {
	uint32_t id;
	uint32_t earfcn;
	int16_t rsrp; /* 0: not known */
	int16_t rsrq;
};

static struct {
	struct cell cells[CELLS];
	uint8_t count;
	uint16_t mcc, mnc, advance;
	uint32_t area;
} surroundings;

/* Of the modem's index: 3GPP TS 36.133, 9.1. */
static int16_t rsrp_dbm(int16_t index)
{
	return index < -17 || index > 97 ? 0 : index < 0 ? index - 140 : index - 141;
}

static int16_t rsrq_tenths(int16_t index)
{
	if (index < -30 || index > 46) {
		return INT16_MIN;
	}
	return index < 0 ? 5 * index - 195 : index < 35 ? 5 * index - 200 : 5 * index - 205;
}

static void take_cell(uint32_t id, uint32_t earfcn, int16_t rsrp, int16_t rsrq)
{
	surroundings.cells[surroundings.count++] =
		(struct cell){.id = id, .earfcn = earfcn, .rsrp = rsrp_dbm(rsrp), .rsrq = rsrq_tenths(rsrq)};
}

static void take_cells(const struct lte_lc_cells_info *info)
{
	surroundings.count = 0;
	if (info == NULL || info->current_cell.id == LTE_LC_CELL_EUTRAN_ID_INVALID) {
		return;
	}
	surroundings.mcc = (uint16_t)info->current_cell.mcc;
	surroundings.mnc = (uint16_t)info->current_cell.mnc;
	surroundings.area = info->current_cell.tac;
	surroundings.advance = info->current_cell.timing_advance;
	take_cell(info->current_cell.id, info->current_cell.earfcn, info->current_cell.rsrp, info->current_cell.rsrq);
	for (size_t i = 0; i < info->ncells_count && surroundings.count < CELLS; i++) {
		const struct lte_lc_ncell *cell = &info->neighbor_cells[i];

		take_cell(cell->phys_cell_id, cell->earfcn, cell->rsrp, cell->rsrq);
	}
}

static int read_cell(unsigned int what, unsigned int index, int64_t *value)
{
	if (index >= surroundings.count) {
		return -ENOENT;
	}
	switch (what) {
	case IOTHUB_SURVEY_CELL:
		*value = surroundings.cells[index].id;
		return 0;
	case IOTHUB_SURVEY_EARFCN:
		*value = surroundings.cells[index].earfcn;
		return 0;
	case IOTHUB_SURVEY_RSRP:
		*value = surroundings.cells[index].rsrp;
		return *value == 0 ? -ENODATA : 0;
	case IOTHUB_SURVEY_RSRQ:
		*value = surroundings.cells[index].rsrq;
		return *value == INT16_MIN ? -ENODATA : 0;
	default:
		break;
	}
	if (index != 0) {
		return -ENODATA;
	}
	switch (what) {
	case IOTHUB_SURVEY_MCC:
		*value = surroundings.mcc;
		return 0;
	case IOTHUB_SURVEY_MNC:
		*value = surroundings.mnc;
		return 0;
	case IOTHUB_SURVEY_AREA:
		*value = surroundings.area;
		return surroundings.area == LTE_LC_CELL_TAC_INVALID ? -ENODATA : 0;
	default:
		*value = surroundings.advance;
		return 0;
	}
}
#else
static int read_cell(unsigned int what, unsigned int index, int64_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(index);
	ARG_UNUSED(value);
	return -ENOENT;
}
#endif

#if defined(CONFIG_IOTHUB_SURVEY) && defined(CONFIG_LOCATION_METHOD_WIFI)
#define ACCESS_POINTS 10

static struct {
	uint8_t macs[ACCESS_POINTS][WIFI_MAC_ADDR_LEN];
	uint8_t count;
} around;

static void take_access_points(const struct wifi_scan_info *info)
{
	around.count = 0;
	for (size_t i = 0; info != NULL && i < info->cnt && around.count < ACCESS_POINTS; i++) {
		if (info->ap_info[i].mac_length == WIFI_MAC_ADDR_LEN) {
			memcpy(around.macs[around.count++], info->ap_info[i].mac, WIFI_MAC_ADDR_LEN);
		}
	}
}

static int read_access_point(unsigned int index, int64_t *value)
{
	if (index >= around.count) {
		return -ENOENT;
	}
	*value = 0;
	for (size_t i = 0; i < WIFI_MAC_ADDR_LEN; i++) {
		*value = *value << 8 | around.macs[index][i];
	}
	return 0;
}
#else
static int read_access_point(unsigned int index, int64_t *value)
{
	ARG_UNUSED(index);
	ARG_UNUSED(value);
	return -ENOENT;
}
#endif

#if defined(CONFIG_IOTHUB_SURVEY) && \
	(defined(CONFIG_LOCATION_METHOD_CELLULAR) || defined(CONFIG_LOCATION_METHOD_WIFI))
static void survey(const struct location_data_cloud *found)
{
	(void)k_mutex_lock(&lock, K_FOREVER);
#if defined(CONFIG_LOCATION_METHOD_CELLULAR)
	take_cells(found->cell_data);
#endif
#if defined(CONFIG_LOCATION_METHOD_WIFI)
	take_access_points(found->wifi_data);
#endif
	(void)k_mutex_unlock(&lock);
	iothub_board_tell(IOTHUB_BOARD_SURVEYED, 0);
	/* The back end does not answer the device: nothing is waited for. */
	location_cloud_location_ext_result_set(LOCATION_EXT_RESULT_UNKNOWN, NULL);
}
#endif

#if defined(CONFIG_IOTHUB_ASSISTANCE) && defined(CONFIG_NRF_CLOUD_AGNSS)
/* The modem's flags, and the type that nRF Cloud has for each. */
static const struct {
	uint8_t flag;
	uint16_t types;
} assistance[] = {
	{NRF_MODEM_GNSS_AGNSS_GPS_UTC_REQUEST, BIT(1)},
	{NRF_MODEM_GNSS_AGNSS_KLOBUCHAR_REQUEST, BIT(4)},
	{NRF_MODEM_GNSS_AGNSS_NEQUICK_REQUEST, BIT(5)},
	{NRF_MODEM_GNSS_AGNSS_GPS_SYS_TIME_AND_SV_TOW_REQUEST, BIT(6) | BIT(7)},
	{NRF_MODEM_GNSS_AGNSS_POSITION_REQUEST, BIT(8)},
	{NRF_MODEM_GNSS_AGNSS_INTEGRITY_REQUEST, BIT(9)},
};

static int32_t agnss_types(const struct nrf_modem_gnss_agnss_data_frame *wanted)
{
	int32_t types = 0;

	for (size_t i = 0; i < ARRAY_SIZE(assistance); i++) {
		types |= (wanted->data_flags & assistance[i].flag) != 0 ? assistance[i].types : 0;
	}
	for (size_t i = 0; i < wanted->system_count; i++) {
		bool is_qzss = wanted->system[i].system_id == NRF_MODEM_GNSS_SYSTEM_QZSS;

		types |= wanted->system[i].sv_mask_ephe != 0 ? (is_qzss ? BIT(12) : BIT(2)) : 0;
		types |= wanted->system[i].sv_mask_alm != 0 ? (is_qzss ? BIT(11) : BIT(3)) : 0;
	}
	return types;
}
#endif

#if defined(CONFIG_IOTHUB_ASSISTANCE) && defined(CONFIG_NRF_CLOUD_PGPS)
static struct gps_pgps_request predictions;

static void want_predictions(const struct gps_pgps_request *wanted)
{
	(void)k_mutex_lock(&lock, K_FOREVER);
	predictions = *wanted;
	(void)k_mutex_unlock(&lock);
	iothub_board_tell(IOTHUB_BOARD_PGPS, 0);
}

static int read_predictions(unsigned int what, int64_t *value)
{
	if (predictions.prediction_count == 0) {
		return -ENODATA;
	}
	switch (what) {
	case IOTHUB_PGPS_COUNT:
		*value = predictions.prediction_count;
		return 0;
	case IOTHUB_PGPS_INTERVAL:
		*value = predictions.prediction_period_min;
		return 0;
	case IOTHUB_PGPS_DAY:
		*value = predictions.gps_day;
		return 0;
	default:
		*value = predictions.gps_time_of_day;
		return 0;
	}
}
#else
static int read_predictions(unsigned int what, int64_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(value);
	return -ENODATA;
}
#endif
#endif

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
#if defined(CONFIG_LOCATION_SERVICE_EXTERNAL)
#if defined(CONFIG_IOTHUB_SURVEY) && \
	(defined(CONFIG_LOCATION_METHOD_CELLULAR) || defined(CONFIG_LOCATION_METHOD_WIFI))
	case LOCATION_EVT_CLOUD_LOCATION_EXT_REQUEST:
		survey(&event->cloud_location_request);
		break;
#endif
#if defined(CONFIG_IOTHUB_ASSISTANCE) && defined(CONFIG_NRF_CLOUD_AGNSS)
	case LOCATION_EVT_GNSS_ASSISTANCE_REQUEST:
		iothub_board_tell(IOTHUB_BOARD_AGNSS, agnss_types(&event->agnss_request));
		break;
#endif
#if defined(CONFIG_IOTHUB_ASSISTANCE) && defined(CONFIG_NRF_CLOUD_PGPS)
	case LOCATION_EVT_GNSS_PREDICTION_REQUEST:
		want_predictions(&event->pgps_request);
		break;
#endif
#endif
	default:
		break;
	}
}

/* How long cells and access points are listened for, once satellites were not found. */
#define SURVEY_MS 10000

/* Cells and access points stand side by side, so that one survey has both. */
static uint8_t choose(unsigned int wanted, enum location_method *methods)
{
	uint8_t count = 0;

	if ((wanted & IOTHUB_LOCATE_GNSS) != 0) {
		methods[count++] = LOCATION_METHOD_GNSS;
	}
#if defined(CONFIG_IOTHUB_SURVEY) && defined(CONFIG_LOCATION_SERVICE_EXTERNAL)
#if defined(CONFIG_LOCATION_METHOD_WIFI)
	if ((wanted & IOTHUB_LOCATE_WIFI) != 0) {
		methods[count++] = LOCATION_METHOD_WIFI;
	}
#endif
#if defined(CONFIG_LOCATION_METHOD_CELLULAR)
	if ((wanted & IOTHUB_LOCATE_CELLS) != 0) {
		methods[count++] = LOCATION_METHOD_CELLULAR;
	}
#endif
#endif
	return count;
}

static void bound(struct location_config *config, int32_t timeout_ms)
{
	config->timeout = timeout_ms;
	for (size_t i = 0; i < config->methods_count; i++) {
		switch (config->methods[i].method) {
		case LOCATION_METHOD_GNSS:
			config->methods[i].gnss.timeout = timeout_ms;
			break;
#if defined(CONFIG_IOTHUB_SURVEY) && defined(CONFIG_LOCATION_SERVICE_EXTERNAL)
		case LOCATION_METHOD_CELLULAR:
			config->methods[i].cellular.timeout = SURVEY_MS;
			/* None but the neighbours: asset tracker's documents have no room for further ones. */
			config->methods[i].cellular.cell_count = 1;
			config->timeout = timeout_ms + 2 * SURVEY_MS;
			break;
		case LOCATION_METHOD_WIFI:
			config->methods[i].wifi.timeout = SURVEY_MS;
			config->timeout = timeout_ms + 2 * SURVEY_MS;
			break;
#endif
		default:
			break;
		}
	}
}

int iothub_board_locate(unsigned int wanted, uint32_t timeout_ms)
{
	static bool initialised;
	enum location_method methods[3];
	uint8_t count = choose(wanted, methods);
	struct location_config config;
	int err = 0;

	if (count == 0) {
		return -ENOTSUP;
	}
	if (!atomic_cas(&searching, 0, 1)) {
		return -EBUSY;
	}
	if (!initialised) {
		err = location_init(on_location);
		initialised = err == 0;
	}
	if (err == 0) {
		location_config_defaults_set(&config, count, methods);
		bound(&config, (int32_t)MIN(timeout_ms, INT32_MAX - 2 * SURVEY_MS));
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

#if defined(CONFIG_LOCATION_SERVICE_EXTERNAL)
int iothub_board_search_read(unsigned int what, unsigned int index, int64_t *value)
{
	int err;

	if (what > IOTHUB_PGPS_TIME) {
		return -EINVAL;
	}
	(void)k_mutex_lock(&lock, K_FOREVER);
	if (what < IOTHUB_SURVEY_ACCESS_POINT) {
		err = read_cell(what, index, value);
	} else if (what == IOTHUB_SURVEY_ACCESS_POINT) {
		err = read_access_point(index, value);
	} else {
		err = read_predictions(what, value);
	}
	(void)k_mutex_unlock(&lock);
	return err;
}

int iothub_board_assist(unsigned int kind, const void *data, size_t len)
{
	switch (kind) {
	case IOTHUB_ASSIST_AGNSS:
		return location_agnss_data_process(data, len);
	case IOTHUB_ASSIST_PGPS:
		return location_pgps_data_process(data, len);
	default:
		return -EINVAL;
	}
}
#else
int iothub_board_search_read(unsigned int what, unsigned int index, int64_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(index);
	ARG_UNUSED(value);
	return -ENOENT;
}

int iothub_board_assist(unsigned int kind, const void *data, size_t len)
{
	ARG_UNUSED(kind);
	ARG_UNUSED(data);
	ARG_UNUSED(len);
	return -ENOTSUP;
}
#endif
#else
int iothub_board_locate(unsigned int wanted, uint32_t timeout_ms)
{
	ARG_UNUSED(wanted);
	ARG_UNUSED(timeout_ms);
	return -ENOTSUP;
}

int iothub_board_search_read(unsigned int what, unsigned int index, int64_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(index);
	ARG_UNUSED(value);
	return -ENOENT;
}

int iothub_board_assist(unsigned int kind, const void *data, size_t len)
{
	ARG_UNUSED(kind);
	ARG_UNUSED(data);
	ARG_UNUSED(len);
	return -ENOTSUP;
}

int iothub_location_read(unsigned int sensor, int32_t *value)
{
	ARG_UNUSED(sensor);
	ARG_UNUSED(value);
	return -ENOTSUP;
}
#endif
