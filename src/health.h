/* SPDX-License-Identifier: Apache-2.0 */
/* CONFIG_IOTHUB_HEALTH: see src/health.c. */
#ifndef IOTHUB_HEALTH_H
#define IOTHUB_HEALTH_H

#include <stdint.h>

struct iothub_fault {
	/* IOTHUB_BOARD_FAULT_WATCHDOG, else K_ERR_* of Zephyr's fatal.h. */
	uint32_t reason;
	/* 0 where the architecture does not tell. */
	uint32_t pc;
	uint32_t lr;
	char thread[16];
};

/* The fault that ended the run before this one, or NULL. */
const struct iothub_fault *iothub_health_last_fault(void);

/* The calling thread, which is the waiter's, rests for so long, or has come back to its work: IOTHUB_WAITER_*. */
void iothub_health_rests(unsigned int waiter, uint32_t rest_ms);
void iothub_health_works(unsigned int waiter);

#endif /* IOTHUB_HEALTH_H */
