/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_NAT64_H
#define IOTHUB_NAT64_H

#include <stddef.h>
#include <stdint.h>

/* A connection goes over IPv6: asks which NAT64 the network has, on a thread of its own. Returns at once. */
void iothub_nat64_ask(void);

/* Told of the answer on that thread: count addresses, at least one. rust/firmware/src/nat64.rs defines it. */
void iothub_nat64_tell(const uint8_t (*records)[16], size_t count);

#endif /* IOTHUB_NAT64_H */
