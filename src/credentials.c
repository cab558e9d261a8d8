/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CONFIG_IOTHUB_CREDENTIALS_DIR, for development: credentials out of the image, into the modem, before LTE is on.
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/sys/util.h>

#if defined(CONFIG_NRF_MODEM_LIB)
#include <modem/modem_key_mgmt.h>
#include <modem/nrf_modem_lib.h>
#include <nrf_modem_at.h>
#else
#include "../rust/ncs-sys/host-include/modem/modem_key_mgmt.h"
#endif

#include "credentials.h"
#include "credentials.inc"

LOG_MODULE_REGISTER(iothub_credentials, LOG_LEVEL_INF);

static const struct credential {
	enum modem_key_mgmt_cred_type type;
	const char *name;
	const char *sha256;
	const char *pem;
	size_t size;
} credentials[] = {
	{MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN, "CA certificates", ca_SHA256, ca, sizeof(ca)},
	{MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT, "device certificate", certificate_SHA256, certificate,
	 sizeof(certificate)},
	{MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT, "private key", key_SHA256, key, sizeof(key)},
};

/* The modem's flash wears out. Firmware before 1.3.2 lists no hashes: then they are written at every start. */
static bool is_there(const struct credential *credential)
{
#if defined(CONFIG_NRF_MODEM_LIB)
	char answer[128];

	return nrf_modem_at_cmd(answer, sizeof(answer), "AT%%CMNG=1,%d,%d", CONFIG_IOTHUB_SEC_TAG,
				(int)credential->type) == 0 &&
	       strstr(answer, credential->sha256) != NULL;
#else
	ARG_UNUSED(credential);
	return false;
#endif
}

int iothub_credentials_write(void)
{
	LOG_WRN("the device's private key is part of this image: for development only");
	for (size_t i = 0; i < ARRAY_SIZE(credentials); i++) {
		const struct credential *credential = &credentials[i];
		int err;

		if (is_there(credential)) {
			continue;
		}
		err = modem_key_mgmt_write(CONFIG_IOTHUB_SEC_TAG, credential->type, credential->pem,
					   credential->size);
		if (err != 0) {
			LOG_ERR("tag %d: the modem does not take the %s: %d", CONFIG_IOTHUB_SEC_TAG,
				credential->name, err);
			return err;
		}
		LOG_INF("tag %d: %s written, %zu bytes", CONFIG_IOTHUB_SEC_TAG, credential->name,
			credential->size);
	}
	return 0;
}

#if defined(CONFIG_NRF_MODEM_LIB)
static void on_modem_init(int ret, void *context)
{
	ARG_UNUSED(context);
	if (ret == 0) {
		(void)iothub_credentials_write();
	}
}

NRF_MODEM_LIB_ON_INIT(iothub_credentials, on_modem_init, NULL);
#endif
