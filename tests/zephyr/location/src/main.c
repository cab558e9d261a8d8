/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of NCS's location library on the seam that the application asks: src/include/iothub_board.h. */
#include <errno.h>
#include <limits.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_board.h>

#include "board_events.h"
#include "scripted.h"

#define ALL (IOTHUB_LOCATE_GNSS | IOTHUB_LOCATE_CELLS | IOTHUB_LOCATE_WIFI)

static unsigned int told[IOTHUB_BOARD_PGPS + 1];
static int32_t values[IOTHUB_BOARD_PGPS + 1];

static void on_event(unsigned int what, int32_t value)
{
	told[what]++;
	values[what] = value;
}

static void begin(unsigned int methods)
{
	zassert_ok(iothub_board_locate(methods, 60000));
}

static void end(void)
{
	scripted_event(&(struct location_event_data){.id = LOCATION_EVT_TIMEOUT});
}

static struct location_event_data found(double latitude, double longitude, float accuracy)
{
	struct location_event_data event = {.id = LOCATION_EVT_LOCATION, .method = LOCATION_METHOD_GNSS};

	event.location.latitude = latitude;
	event.location.longitude = longitude;
	event.location.accuracy = accuracy;
	event.location.details.gnss.pvt_data.altitude = 28.1f;
	event.location.details.gnss.pvt_data.speed = 13.89f;
	event.location.details.gnss.pvt_data.heading = 203.77f;
	event.location.details.gnss.pvt_data.flags = NRF_MODEM_GNSS_PVT_FLAG_VELOCITY_VALID;
	return event;
}

static int32_t read_value(unsigned int sensor)
{
	int32_t value = INT_MIN;

	zassert_ok(iothub_location_read(sensor, &value), "sensor %u", sensor);
	return value;
}

static int64_t search(unsigned int what, unsigned int index)
{
	int64_t value = INT64_MIN;

	zassert_ok(iothub_board_search_read(what, index, &value), "%u of %u", what, index);
	return value;
}

static int refused(unsigned int what, unsigned int index)
{
	int64_t value = 7;
	int err = iothub_board_search_read(what, index, &value);

	zassert_not_equal(err, 0, "%u of %u", what, index);
	return err;
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	script = (struct script){0};
	memset(told, 0, sizeof(told));
	memset(values, 0, sizeof(values));
	iothub_board_watch(on_event);
	asked = (struct asked){0};
}

/* Runs first, by its name: there is no position yet, and the library does not begin. */
ZTEST(location, test_0_a_library_that_does_not_begin_is_begun_anew)
{
	int32_t value;

	zassert_equal(iothub_location_read(IOTHUB_SENSOR_LATITUDE, &value), -ENODATA);
	zassert_equal(iothub_location_read(IOTHUB_SENSOR_FIX_AGE, &value), -ENODATA);
	zassert_equal(refused(IOTHUB_SURVEY_CELL, 0), -ENOENT);
	zassert_equal(refused(IOTHUB_SURVEY_ACCESS_POINT, 0), -ENOENT);
	zassert_equal(refused(IOTHUB_PGPS_COUNT, 0), -ENODATA);
	script.init_result = -EFAULT;
	zassert_equal(iothub_board_locate(ALL, 1000), -EFAULT);
	zassert_equal(iothub_board_locate(ALL, 1000), -EFAULT, "not busy");
	script.init_result = 0;
	begin(ALL);
	zassert_equal(asked.inits, 3);
	end();
	begin(ALL);
	zassert_equal(asked.inits, 3, "once is enough");
	end();
}

ZTEST(location, test_a_position_has_the_units_of_the_seam)
{
	struct location_event_data event = found(-27.4698123, 153.0251456, 4.2f);

	begin(IOTHUB_LOCATE_GNSS);
	scripted_event(&event);
	zassert_equal(told[IOTHUB_BOARD_LOCATED], 1);
	zassert_equal(values[IOTHUB_BOARD_LOCATED], 0);
	zassert_equal(read_value(IOTHUB_SENSOR_LATITUDE), -274698123);
	zassert_equal(read_value(IOTHUB_SENSOR_LONGITUDE), 1530251456);
	zassert_equal(read_value(IOTHUB_SENSOR_ACCURACY), 42);
	zassert_equal(read_value(IOTHUB_SENSOR_ALTITUDE), 281);
	zassert_equal(read_value(IOTHUB_SENSOR_SPEED), 1389);
	zassert_equal(read_value(IOTHUB_SENSOR_HEADING), 20377);
	k_sleep(K_MSEC(50));
	zassert_true(read_value(IOTHUB_SENSOR_FIX_AGE) >= 50);
}

ZTEST(location, test_a_heading_without_movement_is_none)
{
	struct location_event_data event = found(48, 11, 3);
	int32_t value = 7;

	event.location.details.gnss.pvt_data.flags = 0;
	begin(IOTHUB_LOCATE_GNSS);
	scripted_event(&event);
	zassert_equal(iothub_location_read(IOTHUB_SENSOR_HEADING, &value), -ENOTSUP);
	zassert_equal(value, 7);
	zassert_equal(iothub_location_read(IOTHUB_SENSOR_FIX_AGE + 1, &value), -EINVAL);
}

ZTEST(location, test_numbers_that_cannot_be_are_no_position)
{
	static const double wrong[] = {__builtin_nan(""), __builtin_inf(), -__builtin_inf(), 1e30, 215, -215};
	struct location_event_data event = found(1, 2, 3);

	begin(IOTHUB_LOCATE_GNSS);
	scripted_event(&event);
	for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
		event = found(wrong[i], 2, 3);
		begin(IOTHUB_LOCATE_GNSS);
		scripted_event(&event);
		zassert_equal(values[IOTHUB_BOARD_LOCATED], -ERANGE, "%zu", i);
	}
	event = found(1, 2, __builtin_nanf(""));
	begin(IOTHUB_LOCATE_GNSS);
	scripted_event(&event);
	zassert_equal(values[IOTHUB_BOARD_LOCATED], -ERANGE);
	zassert_equal(read_value(IOTHUB_SENSOR_LATITUDE), 10000000, "the one before stays");
}

ZTEST(location, test_each_search_ends_once)
{
	static const struct {
		enum location_event_id id;
		int result;
	} ends[] = {
		{LOCATION_EVT_TIMEOUT, -ETIMEDOUT},
		{LOCATION_EVT_RESULT_UNKNOWN, -ETIMEDOUT},
		{LOCATION_EVT_ERROR, -EIO},
	};

	for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
		begin(ALL);
		zassert_equal(iothub_board_locate(ALL, 1), -EBUSY);
		scripted_event(&(struct location_event_data){.id = LOCATION_EVT_STARTED});
		scripted_event(&(struct location_event_data){.id = LOCATION_EVT_FALLBACK});
		zassert_equal(told[IOTHUB_BOARD_LOCATED], i);
		scripted_event(&(struct location_event_data){.id = ends[i].id});
		scripted_event(&(struct location_event_data){.id = ends[i].id});
		zassert_equal(told[IOTHUB_BOARD_LOCATED], i + 1, "nobody waits any more");
		zassert_equal(values[IOTHUB_BOARD_LOCATED], ends[i].result);
	}
}

ZTEST(location, test_a_search_that_is_refused_is_not_under_way)
{
	script.request_result = -EBUSY;
	zassert_equal(iothub_board_locate(ALL, 1000), -EBUSY);
	script.request_result = -EINVAL;
	zassert_equal(iothub_board_locate(ALL, 1000), -EINVAL);
	script.request_result = 0;
	begin(ALL);
	end();
}

ZTEST(location, test_the_library_is_asked_for_what_is_wanted_and_bounded)
{
	begin(IOTHUB_LOCATE_GNSS);
	zassert_equal(asked.config.methods_count, 1);
	zassert_equal(asked.config.methods[0].method, LOCATION_METHOD_GNSS);
	zassert_equal(asked.config.timeout, 60000);
	zassert_equal(asked.config.methods[0].gnss.timeout, 60000);
	end();

	begin(ALL);
	zassert_equal(asked.config.methods_count, 3);
	zassert_equal(asked.config.methods[0].method, LOCATION_METHOD_GNSS);
	/* Side by side, so that the library makes one survey of both. */
	zassert_equal(asked.config.methods[1].method, LOCATION_METHOD_WIFI);
	zassert_equal(asked.config.methods[2].method, LOCATION_METHOD_CELLULAR);
	zassert_equal(asked.config.mode, LOCATION_REQ_MODE_FALLBACK);
	zassert_equal(asked.config.methods[0].gnss.timeout, 60000);
	zassert_between_inclusive(asked.config.methods[1].wifi.timeout, 1, 20000);
	zassert_equal(asked.config.methods[2].cellular.cell_count, 1);
	zassert_true(asked.config.timeout > 60000, "what comes after satellites has its time");
	zassert_true(asked.config.timeout < 60000 + 30000, "the application takes it for hung then");
	end();

	begin(IOTHUB_LOCATE_CELLS);
	zassert_equal(asked.config.methods_count, 1);
	zassert_equal(asked.config.methods[0].method, LOCATION_METHOD_CELLULAR);
	end();

	zassert_equal(iothub_board_locate(0, 1000), -ENOTSUP);
	zassert_ok(iothub_board_locate(ALL, UINT32_MAX));
	zassert_true(asked.config.timeout > 0 && asked.config.methods[0].gnss.timeout > 0);
	end();
}

static void survey(struct lte_lc_cells_info *cells, struct wifi_scan_info *access_points)
{
	struct location_event_data event = {.id = LOCATION_EVT_CLOUD_LOCATION_EXT_REQUEST};

	event.cloud_location_request.cell_data = cells;
	event.cloud_location_request.wifi_data = access_points;
	scripted_event(&event);
}

ZTEST(location, test_cells_and_access_points_are_left_to_a_back_end)
{
	struct lte_lc_ncell neighbours[9] = {
		{.earfcn = 1650, .phys_cell_id = 117, .rsrp = 30, .rsrq = 12},
		{.earfcn = 262143, .phys_cell_id = 503, .rsrp = 255, .rsrq = 255},
	};
	struct lte_lc_cells_info cells = {
		.current_cell = {.mcc = 505, .mnc = 1, .id = 0x0084321f, .tac = 0x1a2b, .earfcn = 9410, .timing_advance = 80,
				 .rsrp = 44, .rsrq = 21},
		.ncells_count = 2,
		.neighbor_cells = neighbours,
	};
	struct wifi_scan_result heard[12] = {
		{.mac = {0x80, 0xe0, 0x1d, 0x09, 0x8f, 0x6e}, .mac_length = 6},
		{.mac_length = 0},
		{.mac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, .mac_length = 6},
	};
	struct wifi_scan_info access_points = {.ap_info = heard, .cnt = 3};

	begin(ALL);
	survey(&cells, &access_points);
	zassert_equal(told[IOTHUB_BOARD_SURVEYED], 1);
	zassert_equal(told[IOTHUB_BOARD_LOCATED], 0, "the search goes on");
	zassert_equal(asked.results, 1, "the library waits for nobody");
	zassert_equal(asked.result, LOCATION_EXT_RESULT_UNKNOWN);
	zassert_equal(search(IOTHUB_SURVEY_MCC, 0), 505);
	zassert_equal(search(IOTHUB_SURVEY_MNC, 0), 1);
	zassert_equal(search(IOTHUB_SURVEY_AREA, 0), 0x1a2b);
	zassert_equal(search(IOTHUB_SURVEY_CELL, 0), 0x0084321f);
	zassert_equal(search(IOTHUB_SURVEY_EARFCN, 0), 9410);
	zassert_equal(search(IOTHUB_SURVEY_ADVANCE, 0), 80);
	zassert_equal(search(IOTHUB_SURVEY_RSRP, 0), -97);
	zassert_equal(search(IOTHUB_SURVEY_RSRQ, 0), -95);
	zassert_equal(search(IOTHUB_SURVEY_CELL, 1), 117);
	zassert_equal(search(IOTHUB_SURVEY_RSRP, 1), -111);
	zassert_equal(search(IOTHUB_SURVEY_RSRQ, 1), -140);
	zassert_equal(refused(IOTHUB_SURVEY_MCC, 1), -ENODATA);
	zassert_equal(search(IOTHUB_SURVEY_EARFCN, 2), 262143);
	zassert_equal(refused(IOTHUB_SURVEY_RSRP, 2), -ENODATA);
	zassert_equal(refused(IOTHUB_SURVEY_RSRQ, 2), -ENODATA);
	zassert_equal(refused(IOTHUB_SURVEY_CELL, 3), -ENOENT);
	zassert_equal(search(IOTHUB_SURVEY_ACCESS_POINT, 0), 0x80e01d098f6e);
	zassert_equal(search(IOTHUB_SURVEY_ACCESS_POINT, 1), 0xffffffffffff, "what has no address is left out");
	zassert_equal(refused(IOTHUB_SURVEY_ACCESS_POINT, 2), -ENOENT);
	zassert_equal(refused(IOTHUB_PGPS_TIME + 1, 0), -EINVAL);
	scripted_event(&(struct location_event_data){.id = LOCATION_EVT_RESULT_UNKNOWN});
	zassert_equal(told[IOTHUB_BOARD_LOCATED], 1);

	/* More than there is room for. */
	cells.ncells_count = ARRAY_SIZE(neighbours);
	access_points.cnt = ARRAY_SIZE(heard);
	for (size_t i = 0; i < ARRAY_SIZE(heard); i++) {
		heard[i].mac_length = 6;
	}
	begin(ALL);
	survey(&cells, &access_points);
	(void)search(IOTHUB_SURVEY_CELL, 5);
	zassert_equal(refused(IOTHUB_SURVEY_CELL, 6), -ENOENT);
	(void)search(IOTHUB_SURVEY_ACCESS_POINT, 9);
	zassert_equal(refused(IOTHUB_SURVEY_ACCESS_POINT, 10), -ENOENT);
	end();

	/* Nothing, in both ways that the library has for it. */
	cells.current_cell.id = LTE_LC_CELL_EUTRAN_ID_INVALID;
	access_points.cnt = 0;
	begin(ALL);
	survey(&cells, &access_points);
	zassert_equal(refused(IOTHUB_SURVEY_CELL, 0), -ENOENT);
	zassert_equal(refused(IOTHUB_SURVEY_ACCESS_POINT, 0), -ENOENT);
	survey(NULL, NULL);
	zassert_equal(refused(IOTHUB_SURVEY_CELL, 0), -ENOENT);
	end();
}

ZTEST(location, test_strengths_are_those_of_3gpp)
{
	static const struct {
		int16_t rsrp, dbm, rsrq, tenths;
	} cases[] = {
		{-17, -157, -30, -345}, {-1, -141, -1, -200}, {1, -140, 1, -195}, {97, -44, 34, -30}, {50, -91, 35, -30}, {0, -141, 46, 25},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct lte_lc_cells_info cells = {.current_cell = {.id = 1, .rsrp = cases[i].rsrp, .rsrq = cases[i].rsrq}};

		begin(ALL);
		survey(&cells, NULL);
		zassert_equal(search(IOTHUB_SURVEY_RSRP, 0), cases[i].dbm, "%d", cases[i].rsrp);
		zassert_equal(search(IOTHUB_SURVEY_RSRQ, 0), cases[i].tenths, "%d", cases[i].rsrq);
		end();
	}
}

ZTEST(location, test_assistance_data_is_asked_for_by_nrf_clouds_types)
{
	static const struct {
		uint32_t flags;
		uint64_t ephemerides, almanac;
		uint8_t system;
		uint32_t types;
	} cases[] = {
		{NRF_MODEM_GNSS_AGNSS_GPS_UTC_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(1)},
		{NRF_MODEM_GNSS_AGNSS_KLOBUCHAR_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(4)},
		{NRF_MODEM_GNSS_AGNSS_NEQUICK_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(5)},
		{NRF_MODEM_GNSS_AGNSS_GPS_SYS_TIME_AND_SV_TOW_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(6) | BIT(7)},
		{NRF_MODEM_GNSS_AGNSS_POSITION_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(8)},
		{NRF_MODEM_GNSS_AGNSS_INTEGRITY_REQUEST, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(9)},
		{0, 1, 0, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(2)},
		{0, 0, 1ULL << 40, NRF_MODEM_GNSS_SYSTEM_GPS, BIT(3)},
		{0, 1ULL << 63, 1, NRF_MODEM_GNSS_SYSTEM_QZSS, BIT(11) | BIT(12)},
		{0, 0, 0, NRF_MODEM_GNSS_SYSTEM_GPS, 0},
	};

	begin(ALL);
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct location_event_data event = {.id = LOCATION_EVT_GNSS_ASSISTANCE_REQUEST};

		event.agnss_request.data_flags = cases[i].flags;
		event.agnss_request.system_count = 1;
		event.agnss_request.system[0].system_id = cases[i].system;
		event.agnss_request.system[0].sv_mask_ephe = cases[i].ephemerides;
		event.agnss_request.system[0].sv_mask_alm = cases[i].almanac;
		scripted_event(&event);
		zassert_equal(told[IOTHUB_BOARD_AGNSS], i + 1);
		zassert_equal(values[IOTHUB_BOARD_AGNSS], cases[i].types, "%zu", i);
	}
	end();
}

ZTEST(location, test_predictions_are_asked_for_and_what_comes_goes_to_the_library)
{
	struct location_event_data event = {.id = LOCATION_EVT_GNSS_PREDICTION_REQUEST};

	event.pgps_request.prediction_count = 42;
	event.pgps_request.prediction_period_min = 240;
	event.pgps_request.gps_day = 17131;
	event.pgps_request.gps_time_of_day = 86399;
	begin(ALL);
	scripted_event(&event);
	end();
	zassert_equal(told[IOTHUB_BOARD_PGPS], 1);
	zassert_equal(search(IOTHUB_PGPS_COUNT, 0), 42);
	zassert_equal(search(IOTHUB_PGPS_INTERVAL, 0), 240);
	zassert_equal(search(IOTHUB_PGPS_DAY, 0), 17131);
	zassert_equal(search(IOTHUB_PGPS_TIME, 0), 86399);

	zassert_ok(iothub_board_assist(IOTHUB_ASSIST_AGNSS, "abc", 3));
	zassert_equal(asked.len, 3);
	zassert_mem_equal(asked.data, "abc", 3);
	zassert_false(asked.is_pgps);
	script.process_result = -EBADMSG;
	zassert_equal(iothub_board_assist(IOTHUB_ASSIST_PGPS, "{}", 2), -EBADMSG);
	zassert_true(asked.is_pgps);
	zassert_equal(iothub_board_assist(IOTHUB_ASSIST_PGPS + 1, "x", 1), -EINVAL);
}

ZTEST_SUITE(location, NULL, NULL, before, NULL, NULL);
