/* SPDX-License-Identifier: Apache-2.0 */
#if defined(__ZEPHYR__)
/* The options come on the compiler's command line in C; before NCS 2.6 the file lies one folder up. */
#if __has_include(<zephyr/autoconf.h>)
#include <zephyr/autoconf.h>
#else
#include <autoconf.h>
#endif
#include <stdint.h>
/* Syscalls are declared only outside of the kernel, and errno is a macro around one. */
#undef KERNEL
extern int errno;
#if __has_include(<zephyr/kernel.h>)
#include <zephyr/kernel.h>
#endif
#endif

#include <errno.h>
#include <net/mqtt_helper.h>
#include "modem.h"
#include <iothub_platform.h>
#include <iothub_board.h>
