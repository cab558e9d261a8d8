/* SPDX-License-Identifier: Apache-2.0 */
#include <stdint.h>

#define NRF_AF_INET 1
#define NRF_AF_INET6 2

typedef uint32_t nrf_socklen_t;

int nrf_inet_pton(int af, const char *restrict src, void *restrict dst);
int nrf_setdnsaddr(int family, const void *in_addr, nrf_socklen_t in_size);
