/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_board.h: who is told, what the board is called, and why it has started. */
#include <errno.h>
#include <string.h>
#include <zephyr/drivers/hwinfo.h>
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

int iothub_board_reset_cause(uint32_t *cause)
{
#if defined(CONFIG_HWINFO)
	return hwinfo_get_reset_cause(cause) == 0 ? 0 : -ENOTSUP;
#else
	ARG_UNUSED(cause);
	return -ENOTSUP;
#endif
}
