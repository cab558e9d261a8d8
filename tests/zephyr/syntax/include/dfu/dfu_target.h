/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SYNTAX_DFU_DFU_TARGET_H
#define SYNTAX_DFU_DFU_TARGET_H

#include <stdbool.h>
#include <stddef.h>

enum dfu_target_image_type {
	DFU_TARGET_IMAGE_TYPE_MCUBOOT = 1,
};

enum dfu_target_evt_id {
	DFU_TARGET_EVT_TIMEOUT,
	DFU_TARGET_EVT_ERASE_DONE,
};

typedef void (*dfu_target_callback_t)(enum dfu_target_evt_id event);

enum dfu_target_image_type dfu_target_img_type(const void *bytes, size_t length);
int dfu_target_init(int type, int image, size_t size, dfu_target_callback_t callback);
int dfu_target_offset_get(size_t *offset);
int dfu_target_write(const void *bytes, size_t length);
int dfu_target_done(bool successful);
int dfu_target_reset(void);

#endif
