/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_LOGGING_LOG_H
#define SYNTAX_ZEPHYR_LOGGING_LOG_H

#define LOG_LEVEL_INF 3
#define LOG_LEVEL_DBG 4
#define LOG_MODULE_REGISTER(name, level) enum { LOG_LEVEL_OF_##name = level }
#define LOG_ERR(...) log_line(__VA_ARGS__)
#define LOG_WRN(...) log_line(__VA_ARGS__)
#define LOG_INF(...) log_line(__VA_ARGS__)
#define LOG_DBG(...) log_line(__VA_ARGS__)

__attribute__((format(printf, 1, 2))) void log_line(const char *format, ...);

#endif
