/* SPDX-License-Identifier: Apache-2.0 */
/* As layout.c, of the older form. */
#include "legacy_layout.h"

const unsigned int *c_legacy_layout(const char *const **names, size_t *count);

const unsigned int *c_legacy_layout(const char *const **names, size_t *count)
{
	*names = legacy_layout_names;
	*count = LEGACY_LAYOUT_COUNT;
	return legacy_layout;
}
