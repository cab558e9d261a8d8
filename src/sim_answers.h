/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_SIM_ANSWERS_H
#define IOTHUB_SIM_ANSWERS_H

#include <stddef.h>

/* The answer to an AT command that asks, with its OK: -ENOTSUP where it is unknown here, -E2BIG where it does not fit. */
int sim_answer(const char *command, char *answer, size_t len);

#endif /* IOTHUB_SIM_ANSWERS_H */
