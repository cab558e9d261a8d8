/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_SYS_BYTEORDER_H
#define SYNTAX_ZEPHYR_SYS_BYTEORDER_H

#include <stdint.h>

#define sys_cpu_to_be16(value) ((uint16_t)((value) << 8 | (value) >> 8))

#endif /* SYNTAX_ZEPHYR_SYS_BYTEORDER_H */
