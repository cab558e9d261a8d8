/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_SYS_UTIL_H
#define SYNTAX_ZEPHYR_SYS_UTIL_H

#include <stddef.h>

/* 1 for an option that is defined as 1, else 0. */
#define IS_ENABLED(option) IS_ONE(option)
#define IS_ONE(value) PICK(PADDED_##value 1, 0)
#define PADDED_1 0,
#define PICK(...) SECOND(__VA_ARGS__, 0)
#define SECOND(first, second, ...) second

/* code stands in brackets. */
#define IF_ENABLED(option, code) IF_ONE(option, code)
#define IF_ONE(value, code) UNWRAP(PICK(PADDED_##value code, ()))
#define UNWRAP(code) BARE code
#define BARE(...) __VA_ARGS__

#define STRINGIFY(text) QUOTED(text)
#define QUOTED(text) #text
#define BIT(number) (1UL << (number))
#define MIN(one, other) ((one) < (other) ? (one) : (other))
#define CLAMP(value, low, high) ((value) < (low) ? (low) : (value) > (high) ? (high) : (value))
#define MAX(one, other) ((one) > (other) ? (one) : (other))
#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

#endif
