/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

__attribute__((format(printf, 3, 4))) int nrf_modem_at_cmd(void *answer, size_t length, const char *format, ...);
__attribute__((format(printf, 1, 2))) int nrf_modem_at_printf(const char *format, ...);
