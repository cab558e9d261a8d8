/* SPDX-License-Identifier: Apache-2.0 */
/* CONFIG_IOTHUB_BUTTON_CREDENTIALS: a device that knows nobody any more, ready for trust at first use. */
#include <errno.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/sys/util.h>

#if defined(CONFIG_NRF_MODEM_LIB)
#include <modem/modem_key_mgmt.h>
#include <nrf_modem_at.h>
#else
#include "../rust/ncs-sys/host-include/modem/modem_key_mgmt.h"
#endif

#include "forget.h"

LOG_MODULE_REGISTER(iothub_forget, LOG_LEVEL_INF);

static const enum modem_key_mgmt_cred_type types[] = {
	MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT,
	MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT,
	MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN,
};

int iothub_forget_credentials(void)
{
	static const int tags[] = {CONFIG_IOTHUB_SEC_TAG, CONFIG_IOTHUB_SECONDARY_SEC_TAG};
	int last = 0;

#if defined(CONFIG_NRF_MODEM_LIB)
	/* A modem that is online changes no credentials. */
	int offline = nrf_modem_at_printf("AT+CFUN=4");

	if (offline != 0) {
		LOG_ERR("the modem does not go offline: %d", offline);
		return -EBUSY;
	}
#endif
	for (size_t i = 0; i < ARRAY_SIZE(tags); i++) {
		for (size_t type = 0; tags[i] >= 0 && type < ARRAY_SIZE(types); type++) {
			int err = modem_key_mgmt_delete(tags[i], types[type]);

			if (err != 0 && err != -ENOENT) {
				LOG_ERR("tag %d, type %d cannot be deleted: %d", tags[i], (int)types[type], err);
				last = err;
			}
		}
	}
	return last;
}
