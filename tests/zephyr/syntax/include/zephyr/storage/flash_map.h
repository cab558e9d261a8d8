/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_STORAGE_FLASH_MAP_H
#define SYNTAX_ZEPHYR_STORAGE_FLASH_MAP_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define FIXED_PARTITION_ID(label) 1

struct device;

struct flash_area {
	off_t fa_off;
	size_t fa_size;
};

struct flash_area_check {
	const uint8_t *match;
	size_t clen;
	uint8_t *rbuf;
	size_t rblen;
};

int flash_area_open(uint8_t id, const struct flash_area **area);
const struct device *flash_area_get_device(const struct flash_area *area);
uint32_t flash_area_align(const struct flash_area *area);
int flash_area_read(const struct flash_area *area, off_t off, void *dst, size_t len);
int flash_area_write(const struct flash_area *area, off_t off, const void *src, size_t len);
int flash_area_erase(const struct flash_area *area, off_t off, size_t len);
void flash_area_close(const struct flash_area *area);
int flash_area_check_int_sha256(const struct flash_area *area, const struct flash_area_check *check);

#endif
