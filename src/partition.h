/* SPDX-License-Identifier: Apache-2.0 */
/* Partitions of the devicetree: Zephyr 4.4 knows those that lie in no table (zephyr,mapped-partition) by another name. */
#ifndef IOTHUB_PARTITION_H
#define IOTHUB_PARTITION_H

#include <zephyr/storage/flash_map.h>

#if !defined(PARTITION_ID)
#define PARTITION_ID(label) FIXED_PARTITION_ID(label)
#endif

#endif /* IOTHUB_PARTITION_H */
