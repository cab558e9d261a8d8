/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_SIM_KEYS_H
#define IOTHUB_SIM_KEYS_H

/* Takes ca.pem, cert.pem and key.pem of a folder of the host into mqtt_helper's tag; NULL: nothing to do. */
int sim_keys_load(const char *folder);

#endif /* IOTHUB_SIM_KEYS_H */
