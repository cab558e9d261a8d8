/* SPDX-License-Identifier: Apache-2.0 */
/* Takes the name of a level, and a function of this shape. */
#define SYS_INIT(function, level, priority) \
	static int (*const function##_at_##level)(void) __attribute__((used)) = (function)
