/* SPDX-License-Identifier: Apache-2.0 */
/* The SDK below src/fota.c and src/fota_fetch.c as the tests script it: each program has it once. */
#ifndef SDK_H
#define SDK_H

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <zephyr/dfu/mcuboot.h>
#include <zephyr/kernel.h>
#include <zephyr/storage/flash_map.h>
#include <zephyr/sys/atomic.h>

#include <dfu/dfu_target.h>
#include <dfu/dfu_target_mcuboot.h>
#include <iothub_platform.h>
#include <net/download_client.h>

#define IMAGE 4096

static dfu_target_callback_t erase;
static download_client_callback_t fetch;
static int fetches;
static size_t stored;

int dfu_target_mcuboot_set_buf(uint8_t *buffer, size_t length)
{
	return buffer != NULL && length > 0 ? 0 : -EINVAL;
}

int dfu_target_init(int type, int image, size_t size, dfu_target_callback_t callback)
{
	(void)image;
	(void)size;
	erase = callback;
	return type == DFU_TARGET_IMAGE_TYPE_MCUBOOT ? 0 : -EINVAL;
}

enum dfu_target_image_type dfu_target_img_type(const void *bytes, size_t length)
{
	(void)bytes;
	(void)length;
	return DFU_TARGET_IMAGE_TYPE_MCUBOOT;
}

int dfu_target_offset_get(size_t *offset)
{
	*offset = stored;
	return 0;
}

int dfu_target_write(const void *bytes, size_t length)
{
	(void)bytes;
	stored += length;
	return 0;
}

/* What the flash says of the last bytes. */
static int done_result;

int dfu_target_done(bool successful)
{
	return successful ? done_result : 0;
}

int dfu_target_reset(void)
{
	stored = 0;
	return 0;
}

int download_client_init(struct download_client *client, download_client_callback_t callback)
{
	(void)client;
	fetch = callback;
	return 0;
}

/* As the download was told last. */
static const char *fetched_from;

int download_client_get(struct download_client *client, const char *host, const struct download_client_cfg *config,
			const char *file, size_t from)
{
	(void)client;
	(void)config;
	(void)file;
	(void)from;
	fetched_from = host;
	fetches++;
	return 0;
}

int download_client_disconnect(struct download_client *client)
{
	(void)client;
	return 0;
}

int download_client_file_size_get(struct download_client *client, size_t *size)
{
	(void)client;
	*size = IMAGE;
	return 0;
}

int flash_area_open(uint8_t id, const struct flash_area **area)
{
	static const struct flash_area slot = {.fa_size = 0x69000};

	(void)id;
	*area = &slot;
	return 0;
}

void flash_area_close(const struct flash_area *area)
{
	(void)area;
}

int boot_read_bank_header(uint8_t area, struct mcuboot_img_header *header, size_t size)
{
	(void)area;
	memset(header, 0, size);
	return 0;
}

bool boot_is_img_confirmed(void)
{
	return true;
}

int boot_write_img_confirmed(void)
{
	return 0;
}

int boot_request_upgrade(int permanent)
{
	(void)permanent;
	return 0;
}

bool atomic_cas(atomic_t *target, atomic_val_t old, atomic_val_t with)
{
	return __atomic_compare_exchange_n(target, &old, with, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

atomic_val_t atomic_get(const atomic_t *target)
{
	return __atomic_load_n(target, __ATOMIC_SEQ_CST);
}

atomic_val_t atomic_set(atomic_t *target, atomic_val_t value)
{
	return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}

/* One for all, with how many threads wait for it. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int waiting;

int k_mutex_lock(struct k_mutex *which, k_timeout_t timeout)
{
	(void)which;
	(void)timeout;
	__atomic_add_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	(void)pthread_mutex_lock(&mutex);
	__atomic_sub_fetch(&waiting, 1, __ATOMIC_SEQ_CST);
	return 0;
}

int k_mutex_unlock(struct k_mutex *which)
{
	(void)which;
	return pthread_mutex_unlock(&mutex);
}

int snprintk(char *text, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, size, format, arguments);
	va_end(arguments);
	return length;
}

/* The slot's setting, its identity and its size; NULL for none. */
static const uint32_t *setting;

int iothub_platform_settings_get(const char *key, void *value, size_t *length)
{
	(void)key;
	if (setting == NULL || *length < 2 * sizeof(*setting)) {
		return -ENOENT;
	}
	*length = 2 * sizeof(*setting);
	memcpy(value, setting, *length);
	return 0;
}

/* Whether the slot's setting, its identity and its size, has ever called an image complete. */
static bool called_complete;

int iothub_platform_settings_set(const char *key, const void *value, size_t length)
{
	uint32_t slot[2] = {0};

	(void)key;
	if (length == sizeof(slot)) {
		memcpy(slot, value, sizeof(slot));
	}
	called_complete = called_complete || slot[1] != 0;
	return 0;
}

#endif /* SDK_H */
