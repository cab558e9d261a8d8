/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>

void sys_rand_get(void *bytes, size_t length);
