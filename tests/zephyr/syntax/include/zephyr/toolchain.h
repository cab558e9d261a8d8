/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_TOOLCHAIN_H
#define SYNTAX_ZEPHYR_TOOLCHAIN_H

#define BUILD_ASSERT(condition, ...) _Static_assert(condition, "" __VA_ARGS__)
#define FUNC_NORETURN __attribute__((noreturn))
#define __noinit
#define CODE_UNREACHABLE __builtin_unreachable()
#define ARG_UNUSED(argument) (void)(argument)
#if !defined(__aligned)
#define __aligned(bytes) __attribute__((aligned(bytes)))
#endif

#endif
