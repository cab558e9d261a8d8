/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_SHELL_SHELL_H
#define SYNTAX_ZEPHYR_SHELL_SHELL_H

#include <stddef.h>

struct shell;

struct shell_entry {
	const char *name;
	const struct shell_entry *below;
	const char *help;
	int (*handler)(const struct shell *shell, size_t argc, char **argv);
	int mandatory;
	int optional;
};

#define SHELL_CMD_ARG(name, below, help, handler, mandatory, optional) {#name, below, help, handler, mandatory, optional}
#define SHELL_CMD(name, below, help, handler) SHELL_CMD_ARG(name, *below, help, handler, 0, 0)
#define SHELL_SUBCMD_SET_END {0}
#define SHELL_STATIC_SUBCMD_SET_CREATE(set, ...) static const struct shell_entry set[] = {__VA_ARGS__}
#define SHELL_CMD_REGISTER(name, below, help, handler) \
	const struct shell_entry name##_root = SHELL_CMD(name, below, help, handler)

__attribute__((format(printf, 2, 3))) void shell_print(const struct shell *shell, const char *format, ...);
__attribute__((format(printf, 2, 3))) void shell_error(const struct shell *shell, const char *format, ...);

#endif
