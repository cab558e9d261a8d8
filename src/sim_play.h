/* SPDX-License-Identifier: Apache-2.0 */
/* Between the lists of events of src/sim_modem.c and what tells the application of them. */
#ifndef IOTHUB_SIM_PLAY_H
#define IOTHUB_SIM_PLAY_H

#include <stdbool.h>

#include <iothub_sim_modem.h>

/* Tells one thing that the modem says: src/sim_sdk.c to the handlers of the application, src/sim_at.c in AT notifications. */
void sim_modem_tell(const struct iothub_sim_step *step);

/* Plays the network that was chosen from its begin; -EFAULT where the modem library does not run. */
int sim_modem_attach(void);

/* What a modem that is on hears where coverage goes or comes; one that is off finds it so. */
void sim_modem_cover(bool covered);

/* What switching the modem off brings. */
void sim_modem_detach(void);

/* A fault: whoever watches the modem hears of it. */
void sim_modem_fault(int reason);

/* Once the modem library has started. */
void sim_modem_started(void);

#endif /* IOTHUB_SIM_PLAY_H */
