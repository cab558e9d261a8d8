/* SPDX-License-Identifier: Apache-2.0 */
/* CONFIG_IOTHUB_BUTTON_CREDENTIALS: the modem's store, played, with the credentials of this device and of another. */
#include <errno.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include "../../../../rust/ncs-sys/host-include/modem/modem_key_mgmt.h"
#include "credentials.h"
#include "forget.h"

#define TAGS 13
#define TYPES 5

static bool is_held[TAGS][TYPES];
static enum modem_key_mgmt_cred_type refused;

int modem_key_mgmt_delete(nrf_sec_tag_t tag, enum modem_key_mgmt_cred_type type)
{
	zassert_true(tag < TAGS && type < TYPES);
	if (type == refused) {
		return -EACCES;
	}
	if (!is_held[tag][type]) {
		return -ENOENT;
	}
	is_held[tag][type] = false;
	return 0;
}

void provision(void)
{
	refused = TYPES;
	for (size_t tag = 0; tag < TAGS; tag++) {
		for (size_t type = 0; type < TYPES; type++) {
			is_held[tag][type] = tag >= 10;
		}
	}
}

bool device_has_key(void)
{
	return is_held[10][MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT] ||
	       is_held[11][MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT];
}

static void before(void *fixture)
{
	ARG_UNUSED(fixture);
	provision();
}

static const enum modem_key_mgmt_cred_type of_the_device[] = {
	MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN,
	MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT,
	MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT,
};

ZTEST(credentials, test_both_tags_of_the_device_are_empty_and_another_is_not)
{
	/* The second tag has no CA. */
	is_held[11][MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN] = false;
	zassert_ok(iothub_forget_credentials());
	ARRAY_FOR_EACH(of_the_device, i) {
		zassert_false(is_held[10][of_the_device[i]]);
		zassert_false(is_held[11][of_the_device[i]]);
		zassert_true(is_held[12][of_the_device[i]]);
	}
}

ZTEST(credentials, test_what_cannot_be_deleted_is_told_and_the_rest_goes)
{
	refused = MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT;
	zassert_equal(iothub_forget_credentials(), -EACCES);
	zassert_true(is_held[10][MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT]);
	zassert_false(is_held[10][MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT]);
	zassert_false(is_held[11][MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN]);
}

ZTEST_SUITE(credentials, NULL, NULL, before, NULL, NULL);
