/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_NET_TLS_CREDENTIALS_H
#define SYNTAX_ZEPHYR_NET_TLS_CREDENTIALS_H

#include <stddef.h>
#include <stdint.h>

enum tls_credential_type {
	TLS_CREDENTIAL_NONE,
	TLS_CREDENTIAL_CA_CERTIFICATE,
	TLS_CREDENTIAL_SERVER_CERTIFICATE,
	TLS_CREDENTIAL_PRIVATE_KEY,
};

typedef int sec_tag_t;

int tls_credential_add(sec_tag_t tag, enum tls_credential_type type, const void *credential, size_t length);
int tls_credential_delete(sec_tag_t tag, enum tls_credential_type type);

#endif
