/* SPDX-License-Identifier: Apache-2.0 */
/* What the C API's Rust needs of Zephyr beside the seam, where no Rust application brings it. */
#include <errno.h>
#include <stddef.h>
#include <zephyr/init.h>
#include <zephyr/irq.h>
#include <zephyr/kernel.h>

#include <iothub_platform.h>

#if defined(CONFIG_IOTHUB_SIM_MODEM) && __has_include(<modem/lte_lc.h>)
#include <modem/lte_lc.h>

/* Where src/sim_sdk.c writes it, by declarations of our own. */
BUILD_ASSERT(offsetof(struct lte_lc_evt, nw_reg_status) == 8, "the simulated modem's events are not the SDK's");
#endif

BUILD_ASSERT(sizeof(unsigned int) == sizeof(uint32_t), "the state of the interrupts has no room");

void iothub_c_api_start(void);
FUNC_NORETURN void iothub_c_api_panic(void);
uint32_t iothub_c_api_lock(void);
void iothub_c_api_unlock(uint32_t state);

void iothub_c_api_panic(void)
{
	k_panic();
	CODE_UNREACHABLE;
}

uint32_t iothub_c_api_lock(void)
{
	return irq_lock();
}

void iothub_c_api_unlock(uint32_t state)
{
	irq_unlock(state);
}

#if !defined(CONFIG_NRF_MODEM_LIB) && !defined(CONFIG_IOTHUB_SIM_MODEM)
int iothub_platform_at(const char *command, char *answer, size_t len)
{
	ARG_UNUSED(command);
	ARG_UNUSED(answer);
	ARG_UNUSED(len);
	return -ENOTSUP;
}
#endif

static int start(void)
{
	iothub_c_api_start();
	return 0;
}

SYS_INIT(start, APPLICATION, 0);
