/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_STORAGE_FLASH_MAP_H
#define SYNTAX_ZEPHYR_STORAGE_FLASH_MAP_H

#include <stddef.h>
#include <stdint.h>

#define FIXED_PARTITION_ID(label) 1

struct flash_area {
	size_t fa_size;
};

struct flash_area_check {
	const uint8_t *match;
	size_t clen;
	uint8_t *rbuf;
	size_t rblen;
};

int flash_area_open(uint8_t id, const struct flash_area **area);
void flash_area_close(const struct flash_area *area);
int flash_area_check_int_sha256(const struct flash_area *area, const struct flash_area_check *check);

#endif
