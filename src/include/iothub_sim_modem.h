/* SPDX-License-Identifier: Apache-2.0 */
/* Control of the modem that src/sim_modem.c simulates: for tests and for the shell. */
#ifndef IOTHUB_SIM_MODEM_H
#define IOTHUB_SIM_MODEM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One thing that the modem says, so long after the one before it. */
struct iothub_sim_step {
	uint16_t after_ms;
	/* One of IOTHUB_SIM_*, and what goes with it. */
	uint8_t what;
	int8_t value;
};

#define IOTHUB_SIM_REGISTRATION 0 /* value: +CEREG, as enum lte_lc_nw_reg_status */
#define IOTHUB_SIM_ESM          1 /* value: the cause of +CNEC_ESM */
#define IOTHUB_SIM_ACTIVATED    2 /* value: the reason of +CGEV: ME PDN ACT, or -1 */
#define IOTHUB_SIM_DEACTIVATED  3
#define IOTHUB_SIM_IPV6_UP      4
#define IOTHUB_SIM_IPV6_DOWN    5
#define IOTHUB_SIM_DETACH       6
#define IOTHUB_SIM_FAULT        7 /* value: the reason; nothing more is heard until the library starts anew */
#define IOTHUB_SIM_END          255

/*
 * The network that lte_lc_connect_async() finds from now on: dual-stack, dual-stack-ipv6-never,
 * dual-stack-ipv6-fails, dual-stack-fault, ipv6-only, ipv6-only-never, ipv6-only-fails, ipv4-only,
 * pdn-refused, denied, no-sim, no-cell. -EINVAL for any other name.
 */
int iothub_sim_modem_network(const char *name);

/* Plays a list of events that ends with IOTHUB_SIM_END, in place of the one under way. */
void iothub_sim_modem_play(const struct iothub_sim_step *steps);

/*
 * The options of the simulation's command line, NULL where they are not given: --credentials names a folder of the host
 * with ca.pem, cert.pem and key.pem; --hub-address the IPv4 address of every name, where there is no name server; --port the
 * hub's port, 0 where it is the one of the build; --world (CONFIG_IOTHUB_SIM_WORLD) a file with the world around the device.
 */
const char *iothub_sim_option_network(void);
const char *iothub_sim_option_credentials(void);
const char *iothub_sim_option_hub_address(void);
const char *iothub_sim_option_world(void);
uint16_t iothub_sim_option_port(void);

#ifdef __cplusplus
}
#endif

#endif /* IOTHUB_SIM_MODEM_H */
