/* SPDX-License-Identifier: Apache-2.0 */
#define NATIVE_TASK(function, level, priority) \
	static void (*const function##_at_##level)(void) __attribute__((used)) = (function)
