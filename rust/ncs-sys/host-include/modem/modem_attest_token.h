/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's access to the modem's attestation token, as far as we use it, declared anew. */
#ifndef IOTHUB_HOST_MODEM_ATTEST_TOKEN_H
#define IOTHUB_HOST_MODEM_ATTEST_TOKEN_H

#include <stddef.h>

struct nrf_attestation_token {
	char *attest;
	size_t attest_sz;
	char *cose;
	size_t cose_sz;
};

struct nrf_device_uuid {
	char str[37];
};

struct nrf_modem_fw_uuid {
	char str[37];
};

int modem_attest_token_get(struct nrf_attestation_token *const token);

#endif
