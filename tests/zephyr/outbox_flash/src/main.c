/* SPDX-License-Identifier: Apache-2.0 */
/* The flash functions of iothub_platform.h over Zephyr's flash simulator. */
#include <errno.h>
#include <string.h>
#include <zephyr/kernel.h>
#include <zephyr/ztest.h>

#include <iothub_platform.h>

static struct iothub_flash_geometry geometry;

static void *open_it(void)
{
	uint8_t byte;

	zassert_equal(iothub_platform_flash_read(0, &byte, 1), -ENOENT, "not open yet");
	zassert_equal(iothub_platform_flash_open(&geometry), 0);
	return NULL;
}

ZTEST(outbox_flash, test_its_shape_is_that_of_the_partition)
{
	struct iothub_flash_geometry again;

	zassert_true(geometry.sectors >= 4);
	zassert_true(geometry.write_size >= 1 && geometry.write_size <= 16);
	zassert_equal(geometry.sector_size % geometry.write_size, 0);
	zassert_equal(iothub_platform_flash_open(&again), 0);
	zassert_mem_equal(&again, &geometry, sizeof(again));
}

ZTEST(outbox_flash, test_what_is_written_is_read_and_erased_by_the_sector)
{
	uint32_t second = geometry.sector_size;
	uint8_t written[32], found[32];

	memset(written, 0x5a, sizeof(written));
	zassert_equal(iothub_platform_flash_erase(0, 2 * geometry.sector_size), 0);
	zassert_equal(iothub_platform_flash_write(0, written, sizeof(written)), 0);
	zassert_equal(iothub_platform_flash_write(second, written, sizeof(written)), 0);
	zassert_equal(iothub_platform_flash_sync(), 0);
	zassert_equal(iothub_platform_flash_read(second, found, sizeof(found)), 0);
	zassert_mem_equal(found, written, sizeof(found));
	zassert_equal(iothub_platform_flash_erase(second, geometry.sector_size), 0);
	zassert_equal(iothub_platform_flash_read(second, found, sizeof(found)), 0);
	for (size_t i = 0; i < sizeof(found); i++) {
		zassert_equal(found[i], 0xff);
	}
	zassert_equal(iothub_platform_flash_read(0, found, sizeof(found)), 0);
	zassert_mem_equal(found, written, sizeof(found), "the sector beside it");
}

ZTEST(outbox_flash, test_nothing_outside_of_the_partition_is_touched)
{
	uint32_t end = geometry.sectors * geometry.sector_size;
	uint8_t bytes[32] = {0};

	zassert_true(iothub_platform_flash_read(end - 16, bytes, sizeof(bytes)) < 0);
	zassert_true(iothub_platform_flash_write(end, bytes, sizeof(bytes)) < 0);
	zassert_true(iothub_platform_flash_erase(end, geometry.sector_size) < 0);
}

static K_SEM_DEFINE(entered, 0, 1);
static K_THREAD_STACK_DEFINE(stack, 1024);
static struct k_thread thread;

static void other(void *unused1, void *unused2, void *unused3)
{
	ARG_UNUSED(unused1);
	ARG_UNUSED(unused2);
	ARG_UNUSED(unused3);
	iothub_platform_flash_lock();
	k_sem_give(&entered);
	iothub_platform_flash_unlock();
}

ZTEST(outbox_flash, test_the_lock_keeps_the_others_out)
{
	iothub_platform_flash_lock();
	k_thread_create(&thread, stack, K_THREAD_STACK_SIZEOF(stack), other, NULL, NULL, NULL,
			K_PRIO_PREEMPT(0), 0, K_NO_WAIT);
	zassert_equal(k_sem_take(&entered, K_MSEC(50)), -EAGAIN);
	iothub_platform_flash_unlock();
	zassert_equal(k_sem_take(&entered, K_SECONDS(10)), 0);
	(void)k_thread_join(&thread, K_FOREVER);
}

ZTEST_SUITE(outbox_flash, NULL, open_it, NULL, NULL, NULL);
