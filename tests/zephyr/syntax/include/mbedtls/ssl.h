/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

#define MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY -0x7880

typedef struct mbedtls_ssl_context mbedtls_ssl_context;

size_t mbedtls_ssl_get_bytes_avail(const mbedtls_ssl_context *ssl);
