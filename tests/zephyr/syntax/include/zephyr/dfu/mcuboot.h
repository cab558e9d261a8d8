/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_ZEPHYR_DFU_MCUBOOT_H
#define SYNTAX_ZEPHYR_DFU_MCUBOOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_UPGRADE_TEST 0

struct mcuboot_img_sem_ver {
	uint8_t major;
	uint8_t minor;
	uint16_t revision;
	uint32_t build_num;
};

struct mcuboot_img_header {
	uint32_t mcuboot_version;
	union {
		struct {
			uint32_t image_size;
			struct mcuboot_img_sem_ver sem_ver;
		} v1;
	} h;
};

int boot_read_bank_header(uint8_t area, struct mcuboot_img_header *header, size_t size);
bool boot_is_img_confirmed(void);
int boot_write_img_confirmed(void);
int boot_request_upgrade(int permanent);

#endif
