/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_DEVICE_H
#define SYNTAX_ZEPHYR_DEVICE_H

#include <stdbool.h>

struct device;
extern const struct device syntax_device;

bool device_is_ready(const struct device *device);

/* A devicetree in which every alias is there. */
#define okay 1
#define DT_ALIAS(name) name
#define DT_NODE_HAS_STATUS(node, status) status
/* Of a driver, where the check asks for it. */
#if defined(SYNTAX_COMPATIBLE)
#define DT_NODE_HAS_COMPAT(node, compatible) 1
#else
#define DT_NODE_HAS_COMPAT(node, compatible) 0
#endif
#define DEVICE_DT_GET(node) (&syntax_device)
#define DEVICE_DT_GET_OR_NULL(node) (&syntax_device)

#endif
