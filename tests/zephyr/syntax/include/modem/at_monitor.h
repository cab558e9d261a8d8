/* SPDX-License-Identifier: Apache-2.0 */
#define AT_MONITOR(name, filter, callback, ...) \
	static void callback(const char *notification); \
	static void (*const name##_monitor)(const char *) __attribute__((used)) = (callback)
