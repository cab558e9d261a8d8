/* SPDX-License-Identifier: Apache-2.0 */
/* Sizes and offsets as the C compiler has them; also compiled for the device, where the numbers are read from the assembly. */
#include "layout.h"

const unsigned int *c_layout(const char *const **names, size_t *count);

const unsigned int *c_layout(const char *const **names, size_t *count)
{
	*names = layout_names;
	*count = LAYOUT_COUNT;
	return layout;
}
