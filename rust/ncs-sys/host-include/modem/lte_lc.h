/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's LTE link control, as far as we use it, declared anew for builds without the SDK. */
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
	LTE_LC_EVT_NW_REG_STATUS = 0,
};

struct lte_lc_evt {
	enum lte_lc_evt_type type;
	union {
		enum lte_lc_nw_reg_status nw_reg_status;
		/* Not used: an application that has the SDK's own header looks for the union where this puts it. */
		uint64_t time;
	};
};

typedef void (*lte_lc_evt_handler_t)(const struct lte_lc_evt *const evt);

int lte_lc_connect_async(lte_lc_evt_handler_t handler);
int lte_lc_power_off(void);

#endif
