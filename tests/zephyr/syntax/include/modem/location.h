/* SPDX-License-Identifier: Apache-2.0 */
#include <stdbool.h>
#include <stdint.h>

enum location_method {
	LOCATION_METHOD_GNSS = 2,
};

enum location_event_id {
	LOCATION_EVT_LOCATION = 1,
	LOCATION_EVT_TIMEOUT,
	LOCATION_EVT_ERROR,
	LOCATION_EVT_RESULT_UNKNOWN,
};

#define NRF_MODEM_GNSS_PVT_FLAG_VELOCITY_VALID 0x10

struct nrf_modem_gnss_pvt_data_frame {
	float altitude;
	float speed;
	float heading;
	uint8_t flags;
};

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

struct location_event_data {
	enum location_event_id id;
	struct location_data location;
};

struct location_config {
	int32_t timeout;
	struct {
		struct {
			int32_t timeout;
		} gnss;
	} methods[1];
};

typedef void (*location_event_handler_t)(const struct location_event_data *event);

int location_init(location_event_handler_t handler);
int location_request(const struct location_config *config);
void location_config_defaults_set(struct location_config *config, uint8_t count, enum location_method *methods);
