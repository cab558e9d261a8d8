/* SPDX-License-Identifier: Apache-2.0 */
/* What a part of the board tells whoever iothub_board_watch has named. */
#ifndef IOTHUB_BOARD_EVENTS_H
#define IOTHUB_BOARD_EVENTS_H

#include <stdint.h>

/* From any thread and from an interrupt. Nobody is told before there is a handler. */
void iothub_board_tell(unsigned int what, int32_t value);

/* A value of the last position: see iothub_board_sensor_read. */
int iothub_location_read(unsigned int sensor, int32_t *value);

#endif /* IOTHUB_BOARD_EVENTS_H */
