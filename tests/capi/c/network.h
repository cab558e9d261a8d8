/* SPDX-License-Identifier: Apache-2.0 */
/* The network, for programs of either form of the header. */
#ifndef CAPI_TESTS_NETWORK_H
#define CAPI_TESTS_NETWORK_H

/* Switches LTE on and waits until the device is registered. */
void network_attach(void);

#endif
