/* SPDX-License-Identifier: Apache-2.0 */
/* iothub_board.h: the last fault, stacks, heap, the radio's time, core dumps; and faults on purpose, for tests. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>

#if defined(CONFIG_DEBUG_COREDUMP)
#include <zephyr/debug/coredump.h>
#endif
#if defined(CONFIG_NRF_MODEM_LIB)
#include <modem/at_monitor.h>
#endif

#include <iothub_board.h>

#include "health.h"

#if defined(CONFIG_IOTHUB_HEALTH)
static int text(const char *of, char *buf, size_t len)
{
	size_t length = strlen(of);

	if (len < length) {
		return -ENOSPC;
	}
	memcpy(buf, of, length);
	return (int)length;
}

int iothub_board_last_fault(unsigned int what, uint32_t *value)
{
	const struct iothub_fault *fault = iothub_health_last_fault();

	if (fault == NULL) {
		return -ENOENT;
	}
	switch (what) {
	case IOTHUB_BOARD_FAULT_REASON:
		*value = fault->reason;
		return 0;
	case IOTHUB_BOARD_FAULT_PC:
		*value = fault->pc;
		return 0;
	case IOTHUB_BOARD_FAULT_LR:
		*value = fault->lr;
		return 0;
	default:
		return -EINVAL;
	}
}

int iothub_board_last_fault_thread(char *buf, size_t len)
{
	const struct iothub_fault *fault = iothub_health_last_fault();

	return fault == NULL ? -ENOENT : text(fault->thread, buf, len);
}
#else
int iothub_board_last_fault(unsigned int what, uint32_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(value);
	return -ENOTSUP;
}

int iothub_board_last_fault_thread(char *buf, size_t len)
{
	ARG_UNUSED(buf);
	ARG_UNUSED(len);
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_THREAD_MONITOR) && defined(CONFIG_THREAD_STACK_INFO) && defined(CONFIG_INIT_STACKS)
struct search {
	unsigned int index;
	k_tid_t found;
};

static void count(const struct k_thread *thread, void *of)
{
	struct search *search = of;

	if (search->index-- == 0) {
		search->found = (k_tid_t)thread;
	}
}

int iothub_board_stack(unsigned int index, char *name, size_t len, uint32_t *size, uint32_t *unused)
{
	struct search search = {.index = index};
	const char *of;
	size_t left;

	k_thread_foreach(count, &search);
	if (search.found == NULL) {
		return -ENOENT;
	}
	if (k_thread_stack_space_get(search.found, &left) != 0) {
		return -EIO;
	}
	*size = (uint32_t)search.found->stack_info.size;
	*unused = (uint32_t)left;
	of = k_thread_name_get(search.found);
	if (of == NULL) {
		return 0;
	}
	len = MIN(len, strlen(of));
	memcpy(name, of, len);
	return (int)len;
}
#else
int iothub_board_stack(unsigned int index, char *name, size_t len, uint32_t *size, uint32_t *unused)
{
	ARG_UNUSED(index);
	ARG_UNUSED(name);
	ARG_UNUSED(len);
	ARG_UNUSED(size);
	ARG_UNUSED(unused);
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_SYS_HEAP_RUNTIME_STATS) && CONFIG_HEAP_MEM_POOL_SIZE > 0
extern struct k_heap _system_heap;

int iothub_board_heap(uint32_t *size, uint32_t *most)
{
	struct sys_memory_stats stats;
	int err = sys_heap_runtime_stats_get(&_system_heap.heap, &stats);

	if (err == 0) {
		*size = (uint32_t)(stats.free_bytes + stats.allocated_bytes);
		*most = (uint32_t)stats.max_allocated_bytes;
	}
	return err;
}
#else
int iothub_board_heap(uint32_t *size, uint32_t *most)
{
	ARG_UNUSED(size);
	ARG_UNUSED(most);
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_NRF_MODEM_LIB)
/* Of AT+CSCON, which lte_lc switches on: 1 while there is a connection to the cell. */
AT_MONITOR(iothub_radio, "+CSCON", on_cscon);

static struct k_spinlock radio_lock;
static int64_t radio_ms;
static int64_t radio_since;
static uint32_t radio_connections;
static bool radio_is_on;

static void on_cscon(const char *notification)
{
	bool is_on = strncmp(notification, "+CSCON: 1", strlen("+CSCON: 1")) == 0;
	k_spinlock_key_t key = k_spin_lock(&radio_lock);

	if (is_on && !radio_is_on) {
		radio_since = k_uptime_get();
		radio_connections++;
	} else if (!is_on && radio_is_on) {
		radio_ms += k_uptime_get() - radio_since;
	}
	radio_is_on = is_on;
	k_spin_unlock(&radio_lock, key);
}

int iothub_board_radio(unsigned int what, uint32_t *value)
{
	int err = 0;
	k_spinlock_key_t key = k_spin_lock(&radio_lock);

	switch (what) {
	case IOTHUB_BOARD_RADIO_SECONDS:
		*value = (uint32_t)((radio_ms + (radio_is_on ? k_uptime_get() - radio_since : 0)) / MSEC_PER_SEC);
		break;
	case IOTHUB_BOARD_RADIO_CONNECTIONS:
		*value = radio_connections;
		break;
	case IOTHUB_BOARD_RADIO_IS_ON:
		*value = radio_is_on;
		break;
	default:
		err = -EINVAL;
	}
	k_spin_unlock(&radio_lock, key);
	return err;
}
#else
int iothub_board_radio(unsigned int what, uint32_t *value)
{
	ARG_UNUSED(what);
	ARG_UNUSED(value);
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_DEBUG_COREDUMP)
int iothub_board_coredump_size(void)
{
	return coredump_query(COREDUMP_QUERY_HAS_STORED_DUMP, NULL) == 1
		       ? coredump_query(COREDUMP_QUERY_GET_STORED_DUMP_SIZE, NULL)
		       : -ENOENT;
}

int iothub_board_coredump_read(uint32_t at, void *buf, size_t len)
{
	struct coredump_cmd_copy_arg copy = {.offset = (off_t)at, .buffer = buf, .length = len};

	return coredump_cmd(COREDUMP_CMD_COPY_STORED_DUMP, &copy);
}

int iothub_board_coredump_erase(void)
{
	return coredump_cmd(COREDUMP_CMD_ERASE_STORED_DUMP, NULL);
}
#else
int iothub_board_coredump_size(void)
{
	return -ENOTSUP;
}

int iothub_board_coredump_read(uint32_t at, void *buf, size_t len)
{
	ARG_UNUSED(at);
	ARG_UNUSED(buf);
	ARG_UNUSED(len);
	return -ENOTSUP;
}

int iothub_board_coredump_erase(void)
{
	return -ENOTSUP;
}
#endif

#if defined(CONFIG_IOTHUB_FAULT_COMMAND)
int iothub_board_fault(unsigned int kind)
{
	/* Behind the memory of every board, where nothing may be executed. Some of QEMU's boards take a read in silence. */
	void (*const nowhere)(void) = (void (*)(void))(uintptr_t)0xF0000001;

	switch (kind) {
	case IOTHUB_BOARD_FAULT_HANG:
		for (;;) {
			k_sleep(K_SECONDS(1));
		}
	case IOTHUB_BOARD_FAULT_PANIC:
		k_panic();
		break;
	case IOTHUB_BOARD_FAULT_MEMORY:
		nowhere();
		break;
	default:
		break;
	}
	return -EINVAL;
}
#else
int iothub_board_fault(unsigned int kind)
{
	ARG_UNUSED(kind);
	return -ENOTSUP;
}
#endif
