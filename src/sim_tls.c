/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A peer that ends TCP without TLS's close_notify, as a process that was killed does. Zephyr 4.1's TLS socket takes
 * the 0 that mbedTLS answers for "not a whole record yet" and polls again at once, for ever where the socket below is
 * the host's: in simulated time nothing else happens any more.
 */
#include <mbedtls/ssl.h>
#if defined(CONFIG_MBEDTLS_MEMORY_DEBUG)
#include <mbedtls/memory_buffer_alloc.h>
#include <zephyr/logging/log.h>

LOG_MODULE_REGISTER(sim_tls, LOG_LEVEL_INF);

/* Told each time it has grown. */
static void tell_heap(void)
{
	static size_t told;
	size_t used, blocks;

	mbedtls_memory_buffer_alloc_max_get(&used, &blocks);
	if (used > told) {
		told = used;
		LOG_INF("mbedTLS has used %u of %u bytes of its heap", (unsigned int)used, CONFIG_MBEDTLS_HEAP_SIZE);
	}
}
#endif

int __real_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len);
int __wrap_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len);

int __wrap_mbedtls_ssl_read(mbedtls_ssl_context *ssl, unsigned char *buf, size_t len)
{
	int result = __real_mbedtls_ssl_read(ssl, buf, len);

#if defined(CONFIG_MBEDTLS_MEMORY_DEBUG)
	tell_heap();
#endif
	if (result == 0 && len == 0 && mbedtls_ssl_get_bytes_avail(ssl) == 0) {
		return MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY;
	}
	return result;
}
