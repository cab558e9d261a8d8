/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_board.h: who is told, what the board is called, and why it has started. */
#include <errno.h>
#include <string.h>
#include <zephyr/drivers/hwinfo.h>
#include <zephyr/init.h>
#include <zephyr/kernel.h>

#include <iothub_board.h>

#include "board_events.h"

static atomic_ptr_t handler;

void iothub_board_watch(void (*told)(unsigned int what, int32_t value))
{
	(void)atomic_ptr_set(&handler, (void *)told);
}

void iothub_board_tell(unsigned int what, int32_t value)
{
	void (*told)(unsigned int what, int32_t value) = (void (*)(unsigned int, int32_t))atomic_ptr_get(&handler);

	if (told != NULL) {
		told(what, value);
	}
}

int iothub_board_name(char *buf, size_t len)
{
	static const char name[] = CONFIG_BOARD;

	if (len < strlen(name)) {
		return -ENOSPC;
	}
	memcpy(buf, name, strlen(name));
	return (int)strlen(name);
}

#if defined(CONFIG_HWINFO)
/* The hardware gathers causes until they are cleared: the next start is to see its own. */
static uint32_t reset_cause;
static bool is_cause_known;

static int read_reset_cause(void)
{
	is_cause_known = hwinfo_get_reset_cause(&reset_cause) == 0;
	(void)hwinfo_clear_reset_cause();
	return 0;
}

SYS_INIT(read_reset_cause, APPLICATION, CONFIG_APPLICATION_INIT_PRIORITY);

int iothub_board_reset_cause(uint32_t *cause)
{
	*cause = reset_cause;
	return is_cause_known ? 0 : -ENOTSUP;
}
#else
int iothub_board_reset_cause(uint32_t *cause)
{
	ARG_UNUSED(cause);
	return -ENOTSUP;
}
#endif
