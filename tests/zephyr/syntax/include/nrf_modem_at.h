/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

__attribute__((format(printf, 3, 4))) int nrf_modem_at_cmd(void *answer, size_t length, const char *format, ...);
__attribute__((format(printf, 1, 2))) int nrf_modem_at_printf(const char *format, ...);
__attribute__((format(scanf, 2, 3))) int nrf_modem_at_scanf(const char *command, const char *format, ...);

#define NRF_MODEM_AT_ERROR 1

typedef void (*nrf_modem_at_notif_handler_t)(const char *notif);
typedef void (*nrf_modem_at_cfun_handler_t)(int mode);

int nrf_modem_at_notif_handler_set(nrf_modem_at_notif_handler_t callback);
void nrf_modem_at_cfun_handler_set(nrf_modem_at_cfun_handler_t handler);
