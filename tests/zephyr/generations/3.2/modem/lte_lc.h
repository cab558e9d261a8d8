/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's LTE link control (NCS 3.2 and later), as far as we use it, declared anew for builds without the SDK. */
#ifndef IOTHUB_HOST_MODEM_LTE_LC_H
#define IOTHUB_HOST_MODEM_LTE_LC_H

#include <stdint.h>

enum lte_lc_nw_reg_status {
	LTE_LC_NW_REG_NOT_REGISTERED = 0,
	LTE_LC_NW_REG_REGISTERED_HOME = 1,
	LTE_LC_NW_REG_SEARCHING = 2,
	LTE_LC_NW_REG_REGISTRATION_DENIED = 3,
	LTE_LC_NW_REG_UNKNOWN = 4,
	LTE_LC_NW_REG_REGISTERED_ROAMING = 5,
	LTE_LC_NW_REG_UICC_FAIL = 90,
};

enum lte_lc_evt_type {
#if defined(CONFIG_LTE_LC_NETWORK_REGISTRATION_MODULE)
	LTE_LC_EVT_NW_REG_STATUS = 0,
#endif
	LTE_LC_EVT_CELL_UPDATE = 4,
#if defined(CONFIG_LTE_LC_PDN_MODULE)
	LTE_LC_EVT_PDN = 14,
#endif
};

enum lte_lc_pdn_evt_type {
	LTE_LC_EVT_PDN_ACTIVATED,
	LTE_LC_EVT_PDN_DEACTIVATED,
	LTE_LC_EVT_PDN_IPV6_UP,
	LTE_LC_EVT_PDN_IPV6_DOWN,
	LTE_LC_EVT_PDN_SUSPENDED,
	LTE_LC_EVT_PDN_RESUMED,
	LTE_LC_EVT_PDN_NETWORK_DETACH,
	LTE_LC_EVT_PDN_APN_RATE_CONTROL_ON,
	LTE_LC_EVT_PDN_APN_RATE_CONTROL_OFF,
	LTE_LC_EVT_PDN_CTX_DESTROYED,
	LTE_LC_EVT_PDN_ESM_ERROR,
};

struct lte_lc_pdn_evt {
	enum lte_lc_pdn_evt_type type;
	uint8_t cid;
	int esm_err;
	int cellular_profile_id;
};

struct lte_lc_evt {
	enum lte_lc_evt_type type;
	union {
		enum lte_lc_nw_reg_status nw_reg_status;
#if defined(CONFIG_LTE_LC_PDN_MODULE)
		struct lte_lc_pdn_evt pdn;
#endif
	};
};

typedef void (*lte_lc_evt_handler_t)(const struct lte_lc_evt *const evt);

int lte_lc_connect_async(lte_lc_evt_handler_t handler);
int lte_lc_power_off(void);
int lte_lc_pdn_default_ctx_events_enable(void);

#endif
