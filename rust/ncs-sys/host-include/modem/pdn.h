/* SPDX-License-Identifier: Apache-2.0 */
/* Nordic's PDN library (to NCS 3.3), as far as we use it, declared anew for builds without the SDK. */
#ifndef IOTHUB_HOST_MODEM_PDN_H
#define IOTHUB_HOST_MODEM_PDN_H

#include <stdint.h>

enum pdn_event {
	PDN_EVENT_CNEC_ESM,
	PDN_EVENT_ACTIVATED,
	PDN_EVENT_DEACTIVATED,
	PDN_EVENT_IPV6_UP,
	PDN_EVENT_IPV6_DOWN,
	PDN_EVENT_NETWORK_DETACH,
	PDN_EVENT_APN_RATE_CONTROL_ON,
	PDN_EVENT_APN_RATE_CONTROL_OFF,
	PDN_EVENT_CTX_DESTROYED,
};

/* reason: the ESM cause of CNEC_ESM; of ACTIVATED 0 IPv4 only, 1 IPv6 only, -1 none given. */
typedef void (*pdn_event_handler_t)(uint8_t cid, enum pdn_event event, int reason);

int pdn_default_ctx_cb_reg(pdn_event_handler_t cb);

#endif
