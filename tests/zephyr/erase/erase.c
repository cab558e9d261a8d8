/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The slot cannot be erased yet, as the SDK's DFU targets say it: src/fota.c and src/fota_fetch.c over a scripted SDK. Run by
 * `check`; it ends with 1 where something else is told than expected.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
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
static char told[256];

/* The SDK. */

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

int dfu_target_done(bool successful)
{
	(void)successful;
	return 0;
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

int download_client_get(struct download_client *client, const char *host, const struct download_client_cfg *config,
			const char *file, size_t from)
{
	(void)client;
	(void)host;
	(void)config;
	(void)file;
	(void)from;
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

int snprintk(char *text, size_t size, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(text, size, format, arguments);
	va_end(arguments);
	return length;
}

int iothub_platform_settings_get(const char *key, void *value, size_t *length)
{
	(void)key;
	(void)value;
	(void)length;
	return -ENOENT;
}

int iothub_platform_settings_set(const char *key, const void *value, size_t length)
{
	(void)key;
	(void)value;
	(void)length;
	return 0;
}

/* The driver. */

static void tell(unsigned int event, uint32_t first, uint32_t second)
{
	static const char *const names[] = {"progress", "pending", "erased", "done", "failed", "stopped"};

	(void)first;
	(void)second;
	strcat(strcat(told, names[event]), " ");
}

static int start(void)
{
	struct iothub_fota_source source = {.host = "fw.example", .path = "app.bin", .identity = 7};

	return iothub_platform_fota_start(&source, tell);
}

static void expect(const char *what, const char *expected)
{
	if (strcmp(told, expected) != 0) {
		printf("%s: told \"%s\", expected \"%s\"\n", what, told, expected);
		exit(1);
	}
	told[0] = '\0';
}

static void arrives(void)
{
	static const char bytes[1024];
	struct download_client_evt fragment = {.id = DOWNLOAD_CLIENT_EVT_FRAGMENT};

	fragment.fragment.buf = bytes;
	fragment.fragment.len = sizeof(bytes);
	(void)fetch(&fragment);
}

static void closes(bool complete)
{
	struct download_client_evt event = {.id = DOWNLOAD_CLIENT_EVT_DONE};

	if (complete) {
		(void)fetch(&event);
	}
	event.id = DOWNLOAD_CLIENT_EVT_CLOSED;
	(void)fetch(&event);
}

int main(void)
{
	/* A target that waits for LTE to be off says so again and again, and goes on by itself. */
	(void)start();
	erase(DFU_TARGET_EVT_TIMEOUT);
	erase(DFU_TARGET_EVT_TIMEOUT);
	expect("an erase that waits", "pending pending ");
	erase(DFU_TARGET_EVT_ERASE_DONE);
	for (int i = 0; i < IMAGE / 1024; i++) {
		arrives();
	}
	closes(true);
	expect("what comes after it", "erased progress progress progress progress done ");

	/* One that never ends is given up, and the slot is free for the next attempt. */
	stored = 0;
	(void)start();
	erase(DFU_TARGET_EVT_TIMEOUT);
	if (start() != -EBUSY || iothub_platform_fota_cancel() != 0) {
		puts("a second transfer was begun, or the first cannot be stopped");
		return 1;
	}
	closes(false);
	expect("an erase that never ends", "pending stopped ");
	if (start() != 0 || fetches != 3) {
		puts("the next attempt is not made");
		return 1;
	}
	puts("an erase that waits is told, and what comes after it is done");
	return 0;
}
