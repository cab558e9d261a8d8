/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The modem's part of the SDK: its own headers where the modem library is in the build. Elsewhere (Linux, native_sim, QEMU)
 * our declarations, of which rust/host and src/sim_modem.c are the definitions: since NCS 3.2 the SDK's own declare an event
 * of the network only where the library that sends it is switched on.
 */
#ifndef IOTHUB_NCS_SYS_MODEM_H
#define IOTHUB_NCS_SYS_MODEM_H

#if __has_include(<nrf_modem.h>)
#include <modem/lte_lc.h>
#include <modem/modem_attest_token.h>
#include <modem/modem_jwt.h>
#include <modem/modem_key_mgmt.h>
#include <modem/nrf_modem_lib.h>
/* NCS 3.2 and 3.3 declare both back ends of the packet data network, and link the one that is switched on. */
#if __has_include(<modem/pdn.h>) && !defined(CONFIG_LTE_LC_PDN_MODULE)
#include <modem/pdn.h>
#define IOTHUB_PDN_LIBRARY 1
#endif
#else
#include "host-include/modem/lte_lc.h"
#include "host-include/modem/modem_attest_token.h"
#include "host-include/modem/modem_jwt.h"
#include "host-include/modem/modem_key_mgmt.h"
#include "host-include/modem/nrf_modem_lib.h"
#include "host-include/modem/pdn.h"
#define IOTHUB_PDN_LIBRARY 1
#endif

#endif /* IOTHUB_NCS_SYS_MODEM_H */
