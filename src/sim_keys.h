/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_SIM_KEYS_H
#define IOTHUB_SIM_KEYS_H

#include <stdbool.h>
#include <stdint.h>

/* Takes ca.pem, cert.pem and key.pem of a folder of the host into mqtt_helper's tag; NULL: nothing to do. */
int sim_keys_load(const char *folder);

/* Whether there is a credential of this kind, an enum modem_key_mgmt_cred_type, under the tag. */
bool sim_keys_has(uint32_t tag, int kind);

#endif /* IOTHUB_SIM_KEYS_H */
