/* SPDX-License-Identifier: Apache-2.0 */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum coredump_query_id {
	COREDUMP_QUERY_GET_ERROR,
	COREDUMP_QUERY_HAS_STORED_DUMP,
	COREDUMP_QUERY_GET_STORED_DUMP_SIZE,
};

enum coredump_cmd_id {
	COREDUMP_CMD_CLEAR_ERROR,
	COREDUMP_CMD_VERIFY_STORED_DUMP,
	COREDUMP_CMD_ERASE_STORED_DUMP,
	COREDUMP_CMD_COPY_STORED_DUMP,
};

struct coredump_cmd_copy_arg {
	off_t offset;
	uint8_t *buffer;
	size_t length;
};

int coredump_query(enum coredump_query_id query_id, void *arg);
int coredump_cmd(enum coredump_cmd_id cmd_id, void *arg);
