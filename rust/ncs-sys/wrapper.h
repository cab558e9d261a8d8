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
#include <modem/lte_lc.h>
/* Where the modem library is not part of the build, src/sim_modem.c stands for it. */
#if __has_include(<nrf_modem.h>)
#include <modem/modem_key_mgmt.h>
#include <modem/nrf_modem_lib.h>
#include <modem/modem_attest_token.h>
#include <modem/modem_jwt.h>
#else
#include "host-include/modem/modem_attest_token.h"
#include "host-include/modem/modem_jwt.h"
#include "host-include/modem/modem_key_mgmt.h"
#include "host-include/modem/nrf_modem_lib.h"
#endif
/* Gone from NCS 3.4 on, where lte_lc does its work. */
#if __has_include(<modem/pdn.h>)
#include <modem/pdn.h>
#endif
#include <iothub_platform.h>
