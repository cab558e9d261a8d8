/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's modem library integration, as far as we use it, declared anew. */
#ifndef IOTHUB_HOST_MODEM_NRF_MODEM_LIB_H
#define IOTHUB_HOST_MODEM_NRF_MODEM_LIB_H

int nrf_modem_lib_init(void);
int nrf_modem_lib_shutdown(void);

#endif
