/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's access to the tokens that the modem signs, as far as we use it, declared anew. */
#ifndef IOTHUB_HOST_MODEM_JWT_H
#define IOTHUB_HOST_MODEM_JWT_H

#include <stddef.h>
#include <stdint.h>

#include "modem_attest_token.h"

enum jwt_key_type {
	JWT_KEY_TYPE_CLIENT_PRIV = 2,
	JWT_KEY_TYPE_ENDORSEMENT = 8,
};

enum jwt_alg_type {
	JWT_ALG_TYPE_ES256 = 0,
};

struct jwt_data {
	unsigned int sec_tag;
	enum jwt_key_type key;
	enum jwt_alg_type alg;
	uint32_t exp_delta_s;
	const char *subject;
	const char *audience;
	char *jwt_buf;
	size_t jwt_sz;
};

int modem_jwt_generate(struct jwt_data *const jwt);
int modem_jwt_get_uuids(struct nrf_device_uuid *dev, struct nrf_modem_fw_uuid *mfw);

#endif
