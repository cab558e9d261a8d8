/* SPDX-License-Identifier: Apache-2.0 */
#include <zephyr/toolchain.h>

#define SYS_REBOOT_COLD 1

FUNC_NORETURN void sys_reboot(int type);
