/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of a panic: in place of Zephyr's handler, which halts, and of the SDK's, which restarts. */
#include <zephyr/fatal.h>
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/logging/log_ctrl.h>

#if defined(CONFIG_ARCH_POSIX)
#include <posix_board_if.h>
#endif

LOG_MODULE_REGISTER(test, LOG_LEVEL_INF);

BUILD_ASSERT(K_ERR_KERNEL_PANIC == 4);

void k_sys_fatal_error_handler(unsigned int reason, const struct arch_esf *esf)
{
	ARG_UNUSED(esf);
	LOG_INF("fatal: %s, in thread %s", reason == K_ERR_KERNEL_PANIC ? "K_ERR_KERNEL_PANIC" : "something else",
		k_thread_name_get(k_current_get()));
	LOG_PANIC();
#if defined(CONFIG_ARCH_POSIX)
	posix_exit(0);
#endif
	k_fatal_halt(reason);
}
