/* SPDX-License-Identifier: Apache-2.0 */
#ifndef CREDENTIALS_H
#define CREDENTIALS_H

#include <stdbool.h>

/* Fills the modem's store. */
void provision(void);

bool device_has_key(void);

#endif
