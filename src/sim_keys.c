/* SPDX-License-Identifier: Apache-2.0 */
/* The credential store of src/sim_modem.c: Zephyr's own, since mbedTLS reads that one. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/tls_credentials.h>

#include "../rust/ncs-sys/host-include/modem/modem_key_mgmt.h"
#include "sim_host.h"
#include "sim_keys.h"

LOG_MODULE_REGISTER(sim_keys, LOG_LEVEL_INF);

#define SLOTS 6
#define PEM_MAX 6144

/* Zephyr's store keeps pointers only, and mbedTLS knows PEM by the 0 at its end. */
static struct slot {
	bool used;
	nrf_sec_tag_t tag;
	enum tls_credential_type type;
	char pem[PEM_MAX];
} slots[SLOTS];

static int type_of(enum modem_key_mgmt_cred_type kind, enum tls_credential_type *type)
{
	switch (kind) {
	case MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN:
		*type = TLS_CREDENTIAL_CA_CERTIFICATE;
		return 0;
	case MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT:
		*type = TLS_CREDENTIAL_SERVER_CERTIFICATE;
		return 0;
	case MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT:
		*type = TLS_CREDENTIAL_PRIVATE_KEY;
		return 0;
	default:
		return -EINVAL;
	}
}

static struct slot *find(nrf_sec_tag_t tag, enum tls_credential_type type)
{
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		if (slots[i].used && slots[i].tag == tag && slots[i].type == type) {
			return &slots[i];
		}
	}
	return NULL;
}

static struct slot *room(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(slots); i++) {
		if (!slots[i].used) {
			return &slots[i];
		}
	}
	return NULL;
}

int modem_key_mgmt_delete(nrf_sec_tag_t tag, enum modem_key_mgmt_cred_type kind)
{
	enum tls_credential_type type;
	struct slot *slot;

	if (type_of(kind, &type) != 0) {
		return -EINVAL;
	}
	slot = find(tag, type);
	if (slot == NULL) {
		return -ENOENT;
	}
	(void)tls_credential_delete(tag, type);
	memset(slot, 0, sizeof(*slot));
	return 0;
}

int modem_key_mgmt_write(nrf_sec_tag_t tag, enum modem_key_mgmt_cred_type kind, const void *buf,
			 size_t len)
{
	enum tls_credential_type type;
	struct slot *slot;

	if (type_of(kind, &type) != 0 || len == 0) {
		return -EINVAL;
	}
	if (len >= PEM_MAX) {
		return -ENOMEM;
	}
	(void)modem_key_mgmt_delete(tag, kind);
	slot = room();
	if (slot == NULL) {
		return -ENOMEM;
	}
	memcpy(slot->pem, buf, len);
	slot->pem[len] = '\0';
	slot->tag = tag;
	slot->type = type;
	slot->used = true;
	return tls_credential_add(tag, type, slot->pem, len + 1);
}

int modem_key_mgmt_read(nrf_sec_tag_t tag, enum modem_key_mgmt_cred_type kind, void *buf,
			size_t *len)
{
	enum tls_credential_type type;
	struct slot *slot;
	size_t have;

	if (type_of(kind, &type) != 0) {
		return -EINVAL;
	}
	if (type == TLS_CREDENTIAL_PRIVATE_KEY) {
		return -EPERM;
	}
	slot = find(tag, type);
	if (slot == NULL) {
		return -ENOENT;
	}
	have = strlen(slot->pem);
	if (*len < have) {
		return -ENOMEM;
	}
	memcpy(buf, slot->pem, have);
	*len = have;
	return 0;
}

int modem_key_mgmt_exists(nrf_sec_tag_t tag, enum modem_key_mgmt_cred_type kind, bool *exists)
{
	enum tls_credential_type type;

	if (type_of(kind, &type) != 0) {
		return -EINVAL;
	}
	*exists = find(tag, type) != NULL;
	return 0;
}

bool sim_keys_has(uint32_t tag, int kind)
{
	bool exists = false;

	return modem_key_mgmt_exists(tag, kind, &exists) == 0 && exists;
}

static int load(const char *folder, const char *name, enum modem_key_mgmt_cred_type kind)
{
	static char pem[PEM_MAX];
	char path[256];
	int length = snprintf(path, sizeof(path), "%s/%s", folder, name);

	if (length < 0 || length >= (int)sizeof(path)) {
		return -ENAMETOOLONG;
	}
	length = sim_host_read(path, pem, sizeof(pem));
	if (length == -EIO) {
		LOG_ERR("%s is empty, or longer than %d bytes", path, PEM_MAX - 1);
	} else if (length < 0) {
		LOG_ERR("%s cannot be read", path);
	}
	return length < 0 ? length : modem_key_mgmt_write(CONFIG_MQTT_HELPER_SEC_TAG, kind, pem, length);
}

int sim_keys_load(const char *folder)
{
	int err;

	if (folder == NULL) {
		return 0;
	}
	err = load(folder, "ca.pem", MODEM_KEY_MGMT_CRED_TYPE_CA_CHAIN);
	if (err == 0) {
		err = load(folder, "cert.pem", MODEM_KEY_MGMT_CRED_TYPE_PUBLIC_CERT);
	}
	if (err == 0) {
		err = load(folder, "key.pem", MODEM_KEY_MGMT_CRED_TYPE_PRIVATE_CERT);
	}
	return err;
}
