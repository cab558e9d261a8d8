/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IOTHUB_SIM_HOST_H
#define IOTHUB_SIM_HOST_H

#include <stddef.h>

/*
 * A file of the machine that the simulation runs on, whole: its length, at least 1. -ENOENT where it cannot be read, -EIO
 * where it is empty or fills the buffer, -ENOTSUP where the board has no way to the machine's files.
 */
int sim_host_read(const char *path, char *buf, size_t room);

#endif /* IOTHUB_SIM_HOST_H */
