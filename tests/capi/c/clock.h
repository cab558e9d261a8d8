/* SPDX-License-Identifier: Apache-2.0 */
/* The library's clock, which the tests can let run faster, and its waiting in azure_iot_hub_connect(). */
#ifndef CAPI_TESTS_CLOCK_H
#define CAPI_TESTS_CLOCK_H

#include <stdbool.h>

/* From now on a minute takes 60 ms; or a minute again. Called by the hub's script too. */
void clock_hurry(bool hurry);

/* Threads that wait in azure_iot_hub_connect() do not look whether it is done, or do again. */
void clock_hold(bool hold);

#endif
