/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that ends TCP without TLS's close_notify, as a process that was killed does. Zephyr 4.1's TLS socket takes
 * the 0 that mbedTLS answers for "not a whole record yet" and polls again at once, for ever where the socket below is
 * the host's: in simulated time nothing else happens any more.
 */
#include <mbedtls/ssl.h>

int __real_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len);
int __wrap_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len);

int __wrap_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len)
{
	int result = __real_mbedtls_ssl_read(ssl, buf, len);

	if (result == 0 && len == 0 && mbedtls_ssl_get_bytes_avail(ssl) == 0) {
		return MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
	}
	return result;
}
