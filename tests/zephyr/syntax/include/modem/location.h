/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#if defined(CONFIG_LOCATION_METHOD_CELLULAR)
#define LTE_LC_CELL_EUTRAN_ID_INVALID UINT32_MAX
#define LTE_LC_CELL_TAC_INVALID UINT32_MAX

struct lte_lc_ncell {
	uint32_t earfcn;
	uint16_t phys_cell_id;
	int16_t rsrp;
	int16_t rsrq;
};

struct lte_lc_cell {
	int mcc;
	int mnc;
	uint32_t id;
	uint32_t tac;
	uint32_t earfcn;
	uint16_t timing_advance;
	int16_t rsrp;
	int16_t rsrq;
};

struct lte_lc_cells_info {
	struct lte_lc_cell current_cell;
	uint8_t ncells_count;
	struct lte_lc_ncell *neighbor_cells;
};
#endif

enum location_method {
	LOCATION_METHOD_CELLULAR = 1,
	LOCATION_METHOD_GNSS,
	LOCATION_METHOD_WIFI,
};

enum location_event_id {
	LOCATION_EVT_LOCATION = 1,
	LOCATION_EVT_TIMEOUT,
	LOCATION_EVT_ERROR,
	LOCATION_EVT_RESULT_UNKNOWN,
	LOCATION_EVT_GNSS_ASSISTANCE_REQUEST,
	LOCATION_EVT_GNSS_PREDICTION_REQUEST,
	LOCATION_EVT_CLOUD_LOCATION_EXT_REQUEST,
};

enum location_ext_result {
	LOCATION_EXT_RESULT_SUCCESS,
	LOCATION_EXT_RESULT_UNKNOWN,
};

#define NRF_MODEM_GNSS_PVT_FLAG_VELOCITY_VALID 0x10

struct nrf_modem_gnss_pvt_data_frame {
	float altitude;
	float speed;
	float heading;
	uint8_t flags;
};

#define NRF_MODEM_GNSS_AGNSS_GPS_UTC_REQUEST 0x01
#define NRF_MODEM_GNSS_AGNSS_KLOBUCHAR_REQUEST 0x02
#define NRF_MODEM_GNSS_AGNSS_NEQUICK_REQUEST 0x04
#define NRF_MODEM_GNSS_AGNSS_GPS_SYS_TIME_AND_SV_TOW_REQUEST 0x08
#define NRF_MODEM_GNSS_AGNSS_POSITION_REQUEST 0x10
#define NRF_MODEM_GNSS_AGNSS_INTEGRITY_REQUEST 0x20
#define NRF_MODEM_GNSS_SYSTEM_QZSS 3

struct nrf_modem_gnss_agnss_data_frame {
	uint32_t data_flags;
	uint8_t system_count;
	struct {
		uint8_t system_id;
		uint64_t sv_mask_ephe;
		uint64_t sv_mask_alm;
	} system[2];
};

struct gps_pgps_request {
	uint16_t prediction_count;
	uint16_t prediction_period_min;
	uint16_t gps_day;
	uint32_t gps_time_of_day;
};

#if defined(CONFIG_LOCATION_METHOD_WIFI)
#define WIFI_MAC_ADDR_LEN 6

struct wifi_scan_info {
	struct {
		uint8_t mac[WIFI_MAC_ADDR_LEN];
		uint8_t mac_length;
	} *ap_info;
	uint16_t cnt;
};
#endif

struct location_data {
	double latitude;
	double longitude;
	float accuracy;
	struct {
		struct {
			struct nrf_modem_gnss_pvt_data_frame pvt_data;
		} gnss;
	} details;
};

struct location_data_cloud {
#if defined(CONFIG_LOCATION_METHOD_CELLULAR)
	const struct lte_lc_cells_info *cell_data;
#endif
#if defined(CONFIG_LOCATION_METHOD_WIFI)
	const struct wifi_scan_info *wifi_data;
#endif
	int unused;
};

struct location_event_data {
	enum location_event_id id;
	union {
		struct location_data location;
		struct nrf_modem_gnss_agnss_data_frame agnss_request;
		struct gps_pgps_request pgps_request;
		struct location_data_cloud cloud_location_request;
	};
};

struct location_config {
	uint8_t methods_count;
	int32_t timeout;
	struct {
		enum location_method method;
		union {
			struct {
				int32_t timeout;
				uint8_t cell_count;
			} cellular;
			struct {
				int32_t timeout;
			} gnss, wifi;
		};
	} methods[3];
};

typedef void (*location_event_handler_t)(const struct location_event_data *event);

int location_init(location_event_handler_t handler);
int location_request(const struct location_config *config);
void location_config_defaults_set(struct location_config *config, uint8_t count, enum location_method *methods);
int location_agnss_data_process(const char *data, size_t len);
int location_pgps_data_process(const char *data, size_t len);
void location_cloud_location_ext_result_set(enum location_ext_result result, struct location_data *location);
