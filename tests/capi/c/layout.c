/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and offsets as the C compiler has them; also compiled for the device, where the numbers are read from the object. */
#include "layout.h"

#include <stdio.h>

void c_layout(void);

void c_layout(void)
{
	for (size_t i = 0; i < LAYOUT_COUNT; i++) {
		printf("%s %u\n", layout_names[i], layout[i]);
	}
	fflush(stdout);
}
