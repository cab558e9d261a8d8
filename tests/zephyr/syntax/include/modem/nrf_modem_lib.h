/* SPDX-License-Identifier: Apache-2.0 */
/* The hooks, beside what the host's declarations have. */
#include_next <modem/nrf_modem_lib.h>

#ifndef SYNTAX_MODEM_NRF_MODEM_LIB_H
#define SYNTAX_MODEM_NRF_MODEM_LIB_H

#define NRF_MODEM_LIB_ON_INIT(name, callback, context) \
	static void (*const name##_on_init)(int, void *) __attribute__((used)) = (callback)
#define NRF_MODEM_LIB_ON_CFUN(name, callback, context) \
	static void callback(int mode, void *ctx); \
	static void (*const name##_on_cfun)(int, void *) __attribute__((used)) = (callback)

struct nrf_modem_lib_init_cb {
	void (*callback)(int ret, void *ctx);
	void *context;
};

#endif
